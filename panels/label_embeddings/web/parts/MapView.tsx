import React, { useCallback, useEffect, useRef, useState } from "react";
import { type RGB, rampColor } from "../colors";
import type { Mode, Place } from "../hooks/useMapLook";
import {
  boxPolygon,
  countCells,
  nearestRow,
  type Pixel,
  pixelOfRow,
  rowsInPolygon,
} from "../picking";
import type { Combine, Rows } from "../rows";
import { Scene } from "../scene";

const CLICK_PIXELS = 4;
const REACH_PIXELS = 9;
const DENSITY_CELL = 5;
const ZOOM_PER_WHEEL = 1.0016;

/** What the pointer is on, in pixels of the map. */
export interface Hover {
  row: number;
  x: number;
  y: number;
}

interface Props {
  points: Float32Array;
  dims: 2 | 3;
  /** paints the red, green and blue of (n * 4) bytes; another function paints anew */
  paint: (looks: Uint8Array) => void;
  visible: Rows | null;
  selected: Rows | null;
  mode: Mode;
  density: boolean;
  backdrop: RGB;
  /** the row that is looked at elsewhere in the panel */
  pointed: number | null;
  place: Place | null;
  onSelect: (rows: Rows, how: Combine) => void;
  onClickRow: (row: number | null, how: Combine) => void;
  onOpenRow: (row: number) => void;
  onHover: (hover: Hover | null) => void;
}

/** The map: moved, zoomed, lassoed and hovered without a word to Python or the database. */
export function MapView(props: Props) {
  const { points, dims, paint, visible, selected, backdrop, density, pointed, place } = props;
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const overlay = useRef<HTMLCanvasElement>(null);
  const scene = useRef<Scene | null>(null);
  const gesture = useRef<{ path: Pixel[]; how: Combine; mode: Mode; last: Pixel } | null>(null);
  const hovering = useRef(0);
  const [problem, setProblem] = useState<string | null>(null);

  const shown = useRef({ density, pointed });
  shown.current = { density, pointed };
  const drawOverlay = useCallback(() => {
    if (!scene.current || !overlay.current) return;
    paintOverlay(overlay.current, scene.current, {
      path: gesture.current?.mode === "explore" ? [] : (gesture.current?.path ?? []),
      ...shown.current,
    });
  }, []);

  useEffect(() => {
    if (!canvas.current || !box.current) return;
    let made: Scene;
    try {
      made = new Scene(canvas.current, points, dims);
    } catch {
      setProblem(
        "This browser cannot draw the map: it has no WebGL 2. Turn on hardware acceleration.",
      );
      return;
    }
    scene.current = made;
    made.listen(drawOverlay);
    const { width, height } = box.current.getBoundingClientRect();
    // a narrow panel that opens at the review shows the map later
    let hidden = width === 0;
    const fitted = new ResizeObserver(([entry]) => {
      const { width, height } = entry.contentRect;
      if (width === 0 || height === 0) return;
      if (overlay.current) {
        overlay.current.width = width;
        overlay.current.height = height;
      }
      made.resize(width, height);
      if (hidden) made.fit();
      hidden = false;
    });
    fitted.observe(box.current);
    made.resize(width, height);
    made.fit();
    return () => {
      fitted.disconnect();
      made.dispose();
      scene.current = null;
    };
  }, [points, dims, drawOverlay]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new scene needs its backdrop too
  useEffect(() => scene.current?.setBackdrop(backdrop), [backdrop, points]);

  const painted = useRef<Props["paint"] | null>(null);
  const paintedScene = useRef<Scene | null>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new scene is painted too
  useEffect(() => {
    if (!scene.current) return;
    if (painted.current !== paint || paintedScene.current !== scene.current)
      paint(scene.current.looks);
    painted.current = paint;
    paintedScene.current = scene.current;
    scene.current.update(visible, selected);
  }, [paint, visible, selected, points]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: both are drawn on the overlay
  useEffect(drawOverlay, [density, pointed, drawOverlay]);

  useEffect(() => {
    if (!place) return;
    if ("everything" in place) scene.current?.fit();
    else if ("center" in place) scene.current?.centerOn(place.center);
    else scene.current?.zoom(place.zoom);
  }, [place]);

  // React listens to the wheel passively, and could not keep the page from scrolling
  useEffect(() => {
    const element = box.current;
    const wheel = (event: WheelEvent) => {
      event.preventDefault();
      scene.current?.zoom(ZOOM_PER_WHEEL ** -event.deltaY, pixelOf(event, element as Element));
    };
    element?.addEventListener("wheel", wheel, { passive: false });
    return () => element?.removeEventListener("wheel", wheel);
  }, []);

  const down = (event: React.PointerEvent) => {
    if (event.button !== 0 || !box.current) return;
    box.current.setPointerCapture(event.pointerId);
    const at = pixelOf(event, box.current);
    gesture.current = { path: [at], how: howOf(event), mode: props.mode, last: at };
    props.onHover(null);
  };

  const move = (event: React.PointerEvent) => {
    if (!box.current || !scene.current) return;
    const at = pixelOf(event, box.current);
    const current = gesture.current;
    if (!current) {
      cancelAnimationFrame(hovering.current);
      hovering.current = requestAnimationFrame(() => {
        if (!scene.current) return;
        const row = nearestRow(scene.current.projected(), at, REACH_PIXELS);
        props.onHover(row === null ? null : { row, ...at });
      });
      return;
    }
    if (current.mode === "explore") {
      scene.current.drag(current.last, at);
    } else if (current.mode === "box") {
      current.path = [current.path[0], ...boxPolygon(current.path[0], at).slice(1)];
      drawOverlay();
    } else {
      current.path.push(at);
      drawOverlay();
    }
    if (current.mode === "explore") current.path.push(at);
    current.last = at;
  };

  const up = (event: React.PointerEvent) => {
    const current = gesture.current;
    gesture.current = null;
    if (!current || !box.current || !scene.current) return;
    const at = pixelOf(event, box.current);
    const start = current.path[0];
    const still = current.path.every(
      (p) => Math.hypot(p.x - start.x, p.y - start.y) < CLICK_PIXELS,
    );
    if (still)
      props.onClickRow(nearestRow(scene.current.projected(), at, REACH_PIXELS), current.how);
    else if (current.mode !== "explore")
      props.onSelect(rowsInPolygon(scene.current.projected(), current.path), current.how);
    drawOverlay();
  };

  const leave = () => {
    cancelAnimationFrame(hovering.current);
    if (!gesture.current) props.onHover(null);
  };

  if (problem) return <div className="lv-message">{problem}</div>;
  return (
    <div
      ref={box}
      className="lv-map"
      role="application"
      aria-label="Map of the embeddings"
      data-mode={props.mode}
      data-testid="labelvet-map"
      onPointerDown={down}
      onPointerMove={move}
      onPointerUp={up}
      onPointerCancel={() => {
        gesture.current = null;
        drawOverlay();
      }}
      onPointerLeave={leave}
      onDoubleClick={(event) => {
        if (!scene.current || !box.current) return;
        const at = pixelOf(event, box.current);
        const row = nearestRow(scene.current.projected(), at, REACH_PIXELS);
        if (row !== null) props.onOpenRow(row);
      }}
    >
      <canvas ref={canvas} />
      <canvas ref={overlay} className="lv-overlay" />
    </div>
  );
}

function pixelOf(event: { clientX: number; clientY: number }, element: Element): Pixel {
  const { left, top } = element.getBoundingClientRect();
  return { x: event.clientX - left, y: event.clientY - top };
}

function howOf(event: { shiftKey: boolean; altKey: boolean }): Combine {
  if (event.altKey) return "remove";
  return event.shiftKey ? "add" : "replace";
}

/** What lies over the points: the density of them all, the lasso, a ring around the pointed one. */
function paintOverlay(
  canvas: HTMLCanvasElement,
  scene: Scene,
  show: { path: Pixel[]; density: boolean; pointed: number | null },
): void {
  const context = canvas.getContext("2d");
  if (!context) return;
  context.clearRect(0, 0, canvas.width, canvas.height);
  const map = show.density || show.pointed !== null ? scene.projected() : null;
  if (map && show.density) {
    const { counts, columns } = countCells(map, DENSITY_CELL);
    const most = Math.log1p(counts.reduce((a, b) => Math.max(a, b), 1));
    for (let i = 0; i < counts.length; i++) {
      if (!counts[i]) continue;
      const [r, g, b] = rampColor(Math.log1p(counts[i]), [0, most]);
      context.fillStyle = `rgba(${r},${g},${b},0.9)`;
      context.fillRect(
        (i % columns) * DENSITY_CELL,
        Math.floor(i / columns) * DENSITY_CELL,
        DENSITY_CELL,
        DENSITY_CELL,
      );
    }
  }
  if (map && show.pointed !== null) {
    const at = pixelOfRow(map, show.pointed);
    for (const [radius, color] of [
      [9, "#000"],
      [8, "#fff"],
    ] as const) {
      context.beginPath();
      context.arc(at.x, at.y, radius, 0, 2 * Math.PI);
      context.lineWidth = 2;
      context.strokeStyle = color;
      context.stroke();
    }
  }
  if (show.path.length > 1) {
    context.beginPath();
    for (const { x, y } of show.path) context.lineTo(x, y);
    context.closePath();
    context.fillStyle = "rgba(255, 109, 5, 0.15)";
    context.strokeStyle = "rgb(255, 109, 5)";
    context.lineWidth = 1.5;
    context.fill();
    context.stroke();
  }
}
