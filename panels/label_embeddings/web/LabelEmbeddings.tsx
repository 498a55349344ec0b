import React from "react";
import type { PanelProps } from "../../app/panel";

/** The panel *Label embeddings*. */
export function LabelEmbeddings(_props: PanelProps) {
  return <div>Label embeddings</div>;
}
