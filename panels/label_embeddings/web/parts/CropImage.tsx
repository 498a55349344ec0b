import React, { useState } from "react";
import type { Crop } from "../wire";

/** A patch with a margin of what is around it, and its box. */
export function CropImage({ crop }: { crop: Crop | undefined }) {
  const [aspect, setAspect] = useState(1);
  if (!crop) return <div className="lv-crop" data-state="loading" />;
  if (!crop.image)
    return (
      <div className="lv-crop" data-state="problem" title={crop.problem ?? undefined}>
        {crop.problem ?? "no picture"}
      </div>
    );
  const [x, y, width, height] = crop.box ?? [0, 0, 1, 1];
  const percent = (part: number) => `${100 * part}%`;
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
        <i
          style={{
            left: percent(x),
            top: percent(y),
            width: percent(width),
            height: percent(height),
          }}
        />
      </div>
    </div>
  );
}

/** Label, confidence and tags of a patch, in a line or two. */
export function CropCaption({ crop }: { crop: Crop | undefined }) {
  if (!crop) return <div className="lv-caption">…</div>;
  const { label, confidence, tags } = crop;
  return (
    <div className="lv-caption">
      <span>{label ?? "no label"}</span>
      {typeof confidence === "number" && <b>{confidence.toFixed(2)}</b>}
      {tags?.map((tag) => (
        <em key={tag}>{tag}</em>
      ))}
    </div>
  );
}
