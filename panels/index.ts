// The one bundle of all panels: each registers the component that its Python half names.
import { registerPanelComponent } from "./app/register";
import { AutoLabeling } from "./auto_labeling/web/AutoLabeling";
import { LabelEmbeddings } from "./label_embeddings/web/LabelEmbeddings";
import { Runs } from "./runs/web/Runs";

registerPanelComponent("LabelEmbeddings", "Label embeddings", LabelEmbeddings);
registerPanelComponent("AutoLabeling", "Auto Labeling", AutoLabeling);
registerPanelComponent("Runs", "Runs", Runs);
