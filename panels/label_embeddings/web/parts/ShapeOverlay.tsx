import React from "react";
import { dotPath, linePath } from "../shapes";
import type { Shape } from "../wire";

/** The shape of a label over its picture, in whatever size that is shown. */
export function ShapeOverlay({ shape }: { shape: Shape | null }) {
  if (!shape) return null;
  const lines = linePath(shape);
  const dots = dotPath(shape.points);
  return (
    <svg className="lv-shape" viewBox="0 0 1 1" preserveAspectRatio="none" aria-hidden="true">
      {shape.filled && <path data-part="inside" d={lines} />}
      {/* dark under light, so that it is seen on anything */}
      <path data-part="edge" d={lines} />
      <path data-part="edge" data-dots d={dots} />
      <path data-part="line" d={lines} />
      <path data-part="line" data-dots d={dots} />
    </svg>
  );
}
