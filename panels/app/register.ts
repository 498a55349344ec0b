import { PluginComponentType, registerComponent } from "@fiftyone/plugins";
import type { ComponentType } from "react";
import type { PanelProps } from "./panel";

/** Makes a component known to the App under the name that a panel's Python half gives it. */
export function registerPanelComponent(
  name: string,
  label: string,
  component: ComponentType<PanelProps>,
): void {
  registerComponent({
    name,
    label,
    component,
    type: PluginComponentType.Component,
    activator: () => true,
  });
}
