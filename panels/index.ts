// The one bundle of all panels: each registers the component that its Python half names.
import { registerPanelComponent } from "./app/register";
import { LabelEmbeddings } from "./label_embeddings/web/LabelEmbeddings";
import { Runs } from "./runs/web/Runs";

registerPanelComponent("LabelEmbeddings", "Label embeddings", LabelEmbeddings);
registerPanelComponent("Runs", "Runs", Runs);
