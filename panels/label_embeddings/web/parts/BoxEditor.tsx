import React, { useRef, useState } from "react";
import { IconButton } from "../../../app/Icon";
import { type Box, between, dragged, HANDLES, type Handle, inImage, placeIn } from "../boxes";
import type { BoxDraft } from "../hooks/useBoxDraft";
import type { Crop, Item } from "../wire";
import { CropProblem } from "./CropImage";
import { ShapeOverlay } from "./ShapeOverlay";

/** The pointer has to go so many pixels until it draws. */
const A_CLICK = 4;

interface Grip {
  /** what is dragged: a handle of a box, or a corner of a new one */
  to: (point: number[]) => Box;
  at: [number, number];
  drew: boolean;
  onHandle: boolean;
}

/**
 * A label in its surroundings, with its shape, its box and the suggested one. Dragging a corner or an edge of
 * either corrects it, dragging elsewhere draws another box; a click opens the image. Where a box is not to be
 * moved there is nothing to drag.
 */
export function BoxEditor({
  item,
  crop,
  draft,
  onOpen,
}: {
  item: Item;
  crop: Crop | undefined;
  draft: BoxDraft;
  onOpen: () => void;
}) {
  const picture = useRef<HTMLDivElement>(null);
  const grip = useRef<Grip | null>(null);
  const [aspect, setAspect] = useState(1);
  if (!crop?.image || !crop.window) return <CropProblem crop={crop} />;
  const window = crop.window;
  const movable = item.fixed === null;
  const pointAt = ({ clientX, clientY }: React.PointerEvent) => {
    const { left, top, width, height } = (picture.current as HTMLElement).getBoundingClientRect();
    return inImage([(clientX - left) / width, (clientY - top) / height], window);
  };
  const shown: [string, Box | null][] = draft.drawn
    ? [
        ["own", item.box],
        ["drawn", draft.drawn],
      ]
    : [
        ["own", item.box],
        ["suggested", item.suggestedBox],
      ];

  const take = (event: React.PointerEvent<HTMLElement>) => {
    if (event.button !== 0) return;
    const { box: name, handle } = (event.target as HTMLElement).dataset;
    const box = shown.find(([other]) => other === name)?.[1];
    const start = pointAt(event);
    grip.current = {
      to:
        box && handle
          ? ([x, y]) =>
              dragged(box, HANDLES[Number(handle)] as Handle, [x - start[0], y - start[1]])
          : (point) => between(start, point),
      at: [event.clientX, event.clientY],
      drew: false,
      onHandle: Boolean(handle),
    };
    event.currentTarget.setPointerCapture(event.pointerId);
  };
  const drag = (event: React.PointerEvent) => {
    const held = grip.current;
    if (!held) return;
    const [x, y] = held.at;
    held.drew ||= Math.hypot(event.clientX - x, event.clientY - y) >= A_CLICK;
    if (held.drew && movable) draft.draw(held.to(pointAt(event)));
  };
  const drop = () => {
    const held = grip.current;
    grip.current = null;
    if (held && !held.drew && !held.onHandle) onOpen();
  };

  return (
    <div className="lv-crop">
      <div
        ref={picture}
        role="application"
        aria-label="Box of the label"
        title={
          movable
            ? "Drag a corner or an edge to correct the box, elsewhere to draw another; click to open the image (e)"
            : "Open the image (e)"
        }
        data-fixed={!movable}
        className="lv-crop-fit lv-box-editor"
        style={
          aspect >= 1
            ? { width: "100%", aspectRatio: aspect }
            : { height: "100%", aspectRatio: aspect }
        }
        onPointerDown={take}
        onPointerMove={drag}
        onPointerUp={drop}
        onPointerCancel={() => {
          grip.current = null;
        }}
        onWheel={({ deltaY }) => draft.zoom(Math.sign(deltaY))}
      >
        <img
          src={crop.image}
          alt={crop.label ?? "patch"}
          draggable={false}
          onLoad={({ currentTarget: image }) => setAspect(image.naturalWidth / image.naturalHeight)}
        />
        <ShapeOverlay shape={crop.shape} />
        {shown.map(
          ([name, box]) =>
            box && (
              <i key={name} data-box={name} style={placeIn(box, window)}>
                {movable &&
                  (name !== "own" || !draft.drawn) &&
                  HANDLES.map(([x, y], index) => (
                    <b
                      key={`${x} ${y}`}
                      data-box={name}
                      data-handle={index}
                      style={{ left: `${50 + 50 * x}%`, top: `${50 + 50 * y}%` }}
                    />
                  ))}
              </i>
            ),
        )}
      </div>
      {crop.shapeProblem && <em>{crop.shapeProblem}</em>}
      <div className="lv-box-zoom">
        <IconButton icon="zoom_in" label="Zoom in" shortcut="+" onClick={() => draft.zoom(-1)} />
        <IconButton icon="zoom_out" label="Zoom out" shortcut="-" onClick={() => draft.zoom(1)} />
      </div>
    </div>
  );
}
