import React, { useState } from "react";
import { type Box, placeIn } from "../boxes";
import type { Crop } from "../wire";
import { ShapeOverlay } from "./ShapeOverlay";

const WHOLE: Box = [0, 0, 1, 1];

/**
 * A patch with a margin of what is around it, its box and shape, and a box that is suggested in its
 * place.
 */
export function CropImage({
  crop,
  suggested = null,
}: {
  crop: Crop | undefined;
  suggested?: Box | null;
}) {
  const [aspect, setAspect] = useState(1);
  if (!crop?.image) return <CropProblem crop={crop} />;
  return (
    <div className="lv-crop">
      <div
        className="lv-crop-fit"
        style={
          aspect >= 1
            ? { width: "100%", aspectRatio: aspect }
            : { height: "100%", aspectRatio: aspect }
        }
      >
        <img
          src={crop.image}
          alt={crop.label ?? "patch"}
          draggable={false}
          onLoad={({ currentTarget: image }) => setAspect(image.naturalWidth / image.naturalHeight)}
        />
        <ShapeOverlay shape={crop.shape} />
        <i style={placeIn(crop.box ?? WHOLE, WHOLE)} />
        {suggested && crop.window && (
          <i data-box="suggested" style={placeIn(suggested, crop.window)} />
        )}
      </div>
      {crop.shapeProblem && <em>{crop.shapeProblem}</em>}
    </div>
  );
}

/** What is in place of a picture that is not there: nothing while it is on its way, or why. */
export function CropProblem({ crop }: { crop: Crop | undefined }) {
  if (!crop) return <div className="lv-crop" data-state="loading" />;
  return (
    <div className="lv-crop" data-state="problem" title={crop.problem ?? undefined}>
      {crop.problem ?? "no picture"}
    </div>
  );
}

/** Label, confidence, field and tags of a patch, in a line or two. */
export function CropCaption({ crop }: { crop: Crop | undefined }) {
  if (!crop) return <div className="lv-caption">…</div>;
  const { label, confidence, field, tags } = crop;
  return (
    <div className="lv-caption">
      <span>{label ?? "no label"}</span>
      {typeof confidence === "number" && <b>{confidence.toFixed(2)}</b>}
      {field && <b>{field}</b>}
      {tags?.map((tag) => (
        <em key={tag}>{tag}</em>
      ))}
    </div>
  );
}
