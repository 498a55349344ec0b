// The one bundle of all panels: each registers the component that its Python half names.
import { registerPanelComponent } from "./app/register";
import { AutoLabeling } from "./auto_labeling/web/AutoLabeling";
import * as autoLabeling from "./auto_labeling/web/wire";
import { LabelEmbeddings } from "./label_embeddings/web/LabelEmbeddings";
import * as labelEmbeddings from "./label_embeddings/web/wire";
import { Runs } from "./runs/web/Runs";
import * as runs from "./runs/web/wire";

registerPanelComponent<labelEmbeddings.Methods, labelEmbeddings.Wire>(
  "LabelEmbeddings",
  "Label embeddings",
  LabelEmbeddings,
  labelEmbeddings,
);
registerPanelComponent<autoLabeling.Methods, autoLabeling.Wire>(
  "AutoLabeling",
  "Auto Labeling",
  AutoLabeling,
  autoLabeling,
);
registerPanelComponent<runs.Methods, runs.Wire>("Runs", "Runs", Runs, runs);
