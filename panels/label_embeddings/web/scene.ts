// The map's points on a WebGL canvas, drawn by three, which the App brings along. No React here.
import * as THREE from "three";
import type { RGB } from "./colors";
import type { Pixel, Projected } from "./picking";
import type { Rows } from "./rows";

/** How a point is drawn; the fourth byte of its color. */
const HIDDEN = 0;
const DIMMED = 85;
const PLAIN = 170;
const SELECTED = 255;

const VERTEX = `
attribute vec4 look;  // red, green, blue, and how it is drawn
uniform float size;
uniform vec3 backdrop;
uniform bool flat_;   // in two dimensions, what is selected lies on top
varying vec3 tint;
void main() {
  tint = mix(look.rgb, backdrop, look.a < 0.5 ? 0.8 : 0.0);
  gl_Position = projectionMatrix * modelViewMatrix * vec4(position, 1.0);
  if (flat_) gl_Position.z = (0.9 - 0.9 * look.a) * gl_Position.w;
  gl_PointSize = look.a > 0.9 ? size * 1.3 : size;
  if (look.a < 0.1) gl_Position = vec4(2.0, 2.0, 2.0, 1.0);  // outside of everything
}`;

const FRAGMENT = `
varying vec3 tint;
void main() {
  vec2 offset = gl_PointCoord - 0.5;
  if (dot(offset, offset) > 0.25) discard;
  gl_FragColor = vec4(tint, 1.0);
}`;

/** A camera that looks straight down on a map of two dimensions, or circles one of three. */
interface Camera {
  readonly view: THREE.Camera;
  resize(width: number, height: number): void;
  /** puts all points in sight */
  fit(bounds: THREE.Box3): void;
  drag(from: Pixel, to: Pixel, width: number, height: number): void;
  /** `factor` above 1 comes closer to what lies under `at` */
  zoom(factor: number, at: Pixel, width: number, height: number): void;
  centerOn(x: number, y: number, z: number): void;
  /** how much closer it is than when everything fits */
  readonly closeness: number;
}

/** Draws points, moves the camera, and tells what is where. Draws only when something changed. */
export class Scene {
  private readonly renderer: THREE.WebGLRenderer;
  private readonly scene = new THREE.Scene();
  private readonly geometry = new THREE.BufferGeometry();
  private readonly material: THREE.ShaderMaterial;
  private readonly camera: Camera;
  private readonly bounds = new THREE.Box3();
  private frame = 0;
  private width = 1;
  private height = 1;
  private visible: Rows | null = null;
  private onDraw: () => void = () => undefined;

  /** `looks`, (n * 4), holds red, green and blue of each row; the fourth byte is the scene's. */
  readonly looks: Uint8Array;

  constructor(
    canvas: HTMLCanvasElement,
    private readonly points: Float32Array,
    private readonly dims: 2 | 3,
  ) {
    this.renderer = new THREE.WebGLRenderer({
      canvas,
      antialias: false,
      powerPreference: "high-performance",
    });
    this.renderer.setPixelRatio(Math.min(2, window.devicePixelRatio));
    const length = points.length / dims;
    this.looks = new Uint8Array(length * 4);
    this.geometry.setAttribute("position", new THREE.BufferAttribute(inSpace(points, dims), 3));
    this.geometry.setAttribute("look", new THREE.BufferAttribute(this.looks, 4, true));
    this.material = new THREE.ShaderMaterial({
      vertexShader: VERTEX,
      fragmentShader: FRAGMENT,
      uniforms: {
        size: { value: 4 },
        backdrop: { value: new THREE.Vector3() },
        flat_: { value: dims === 2 },
      },
    });
    const cloud = new THREE.Points(this.geometry, this.material);
    cloud.frustumCulled = false; // its bounds would be computed anew for every change
    this.scene.add(cloud);
    measureBounds(this.bounds, points, dims);
    this.camera = dims === 2 ? new FlatCamera() : new CirclingCamera();
    this.camera.fit(this.bounds);
  }

  resize(width: number, height: number): void {
    this.width = Math.max(1, width);
    this.height = Math.max(1, height);
    this.renderer.setSize(this.width, this.height, false);
    this.camera.resize(this.width, this.height);
    this.draw();
  }

  /** Calls `listener` after each drawn frame, which may have moved every point. */
  listen(listener: () => void): void {
    this.onDraw = listener;
  }

  setBackdrop(color: RGB): void {
    this.renderer.setClearColor(
      new THREE.Color().setRGB(...scaled(color), THREE.SRGBColorSpace),
      1,
    );
    this.material.uniforms.backdrop.value.set(...scaled(color));
    this.draw();
  }

  /** Says what is drawn how; call it after `looks` was repainted too. */
  update(visible: Rows | null, selected: Rows | null): void {
    this.visible = visible;
    const looks = this.looks;
    for (let row = 0; row < looks.length / 4; row++) {
      let how = PLAIN;
      if (visible !== null && visible[row] === 0) how = HIDDEN;
      else if (selected !== null) how = selected[row] ? SELECTED : DIMMED;
      looks[row * 4 + 3] = how;
    }
    this.geometry.getAttribute("look").needsUpdate = true;
    this.draw();
  }

  fit(): void {
    this.camera.fit(this.bounds);
    this.draw();
  }

  drag(from: Pixel, to: Pixel): void {
    this.camera.drag(from, to, this.width, this.height);
    this.draw();
  }

  zoom(factor: number, at: Pixel = { x: this.width / 2, y: this.height / 2 }): void {
    this.camera.zoom(factor, at, this.width, this.height);
    this.draw();
  }

  centerOn(place: number[]): void {
    this.camera.centerOn(place[0], place[1], place[2] ?? 0);
    this.draw();
  }

  /** What is under the camera, for picking.ts. */
  projected(): Projected {
    const { view } = this.camera;
    view.updateMatrixWorld();
    const matrix = new THREE.Matrix4().multiplyMatrices(
      view.projectionMatrix,
      view.matrixWorldInverse,
    );
    return {
      points: this.points,
      dims: this.dims,
      matrix: matrix.elements,
      width: this.width,
      height: this.height,
      visible: this.visible,
    };
  }

  dispose(): void {
    cancelAnimationFrame(this.frame);
    this.geometry.dispose();
    this.material.dispose();
    this.renderer.dispose();
    // a page has few contexts, and the browser takes its time to collect them
    this.renderer.forceContextLoss();
  }

  private draw(): void {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.material.uniforms.size.value =
        pointSize(this.points.length / this.dims, this.camera.closeness) *
        this.renderer.getPixelRatio();
      this.renderer.render(this.scene, this.camera.view);
      this.onDraw();
    });
  }
}

/** The diameter of a point in CSS pixels: smaller where there are many, larger close by. */
function pointSize(length: number, closeness: number): number {
  const far = Math.min(7, Math.max(2, 14 - 2 * Math.log10(Math.max(10, length))));
  return Math.min(14, far * Math.max(1, closeness) ** 0.35);
}

function inSpace(points: Float32Array, dims: 2 | 3): Float32Array {
  if (dims === 3) return points;
  const space = new Float32Array((points.length / 2) * 3);
  for (let row = 0; row < points.length / 2; row++) {
    space[row * 3] = points[row * 2];
    space[row * 3 + 1] = points[row * 2 + 1];
  }
  return space;
}

function measureBounds(bounds: THREE.Box3, points: Float32Array, dims: 2 | 3): void {
  const least = [0, 0, 0].map((_, axis) => (axis < dims ? Number.POSITIVE_INFINITY : 0));
  const most = least.map((value) => -value);
  for (let i = 0; i < points.length; i++) {
    const axis = i % dims;
    if (points[i] < least[axis]) least[axis] = points[i];
    if (points[i] > most[axis]) most[axis] = points[i];
  }
  bounds.min.set(least[0], least[1], least[2]);
  bounds.max.set(most[0], most[1], most[2]);
}

const MARGIN = 1.08;

class FlatCamera implements Camera {
  readonly view = new THREE.OrthographicCamera();
  private aspect = 1;
  /** half the height of what is in sight, in units of the map */
  private reach = 1;
  private fitting = 1;

  get closeness(): number {
    return this.fitting / this.reach;
  }

  resize(width: number, height: number): void {
    this.aspect = width / height;
    this.update();
  }

  fit(bounds: THREE.Box3): void {
    const size = bounds.getSize(new THREE.Vector3());
    const center = bounds.getCenter(new THREE.Vector3());
    this.reach = (MARGIN * Math.max(size.y, size.x / this.aspect, 1e-6)) / 2;
    this.fitting = this.reach;
    this.view.position.set(center.x, center.y, 1);
    this.update();
  }

  drag(from: Pixel, to: Pixel, _width: number, height: number): void {
    const unit = (2 * this.reach) / height;
    this.view.position.x -= (to.x - from.x) * unit;
    this.view.position.y += (to.y - from.y) * unit;
    this.update();
  }

  zoom(factor: number, at: Pixel, width: number, height: number): void {
    const reach = this.reach / factor;
    if (this.fitting / reach > 5000 || this.fitting / reach < 0.2) return;
    // the place under the pointer stays where it is
    const moved = (2 * (this.reach - reach)) / height;
    this.view.position.x += (at.x - width / 2) * moved;
    this.view.position.y -= (at.y - height / 2) * moved;
    this.reach = reach;
    this.update();
  }

  centerOn(x: number, y: number): void {
    this.view.position.set(x, y, 1);
    this.update();
  }

  private update(): void {
    this.view.left = -this.reach * this.aspect;
    this.view.right = this.reach * this.aspect;
    this.view.top = this.reach;
    this.view.bottom = -this.reach;
    this.view.near = 0;
    this.view.far = 2;
    this.view.updateProjectionMatrix();
  }
}

class CirclingCamera implements Camera {
  readonly view = new THREE.PerspectiveCamera(45);
  private readonly target = new THREE.Vector3();
  private readonly place = new THREE.Spherical(1, Math.PI / 2.5, Math.PI / 5);
  private fitting = 1;

  get closeness(): number {
    return this.fitting / this.place.radius;
  }

  resize(width: number, height: number): void {
    this.view.aspect = width / height;
    this.update();
  }

  fit(bounds: THREE.Box3): void {
    const radius = bounds.getSize(new THREE.Vector3()).length() / 2;
    bounds.getCenter(this.target);
    const angle = (this.view.fov * Math.PI) / 360;
    this.place.radius = Math.max(
      1e-6,
      (radius / Math.sin(angle)) * Math.max(1, 1 / this.view.aspect),
    );
    this.fitting = this.place.radius;
    this.update();
  }

  drag(from: Pixel, to: Pixel, _width: number, height: number): void {
    this.place.theta -= ((to.x - from.x) / height) * Math.PI;
    this.place.phi -= ((to.y - from.y) / height) * Math.PI;
    this.place.makeSafe();
    this.update();
  }

  zoom(factor: number): void {
    const radius = this.place.radius / factor;
    if (this.fitting / radius > 500 || this.fitting / radius < 0.2) return;
    this.place.radius = radius;
    this.update();
  }

  centerOn(x: number, y: number, z: number): void {
    this.target.set(x, y, z);
    this.update();
  }

  private update(): void {
    this.view.position.setFromSpherical(this.place).add(this.target);
    this.view.lookAt(this.target);
    this.view.near = this.place.radius / 1000;
    this.view.far = this.place.radius + 4 * this.fitting;
    this.view.updateProjectionMatrix();
  }
}

function scaled(color: RGB): RGB {
  return color.map((channel) => channel / 255) as RGB;
}
