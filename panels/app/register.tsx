import { PluginComponentType, registerComponent } from "@fiftyone/plugins";
import * as fos from "@fiftyone/state";
import React, { type ComponentType } from "react";
import { useRecoilValue } from "recoil";
import type { PanelProps } from "./panel";

/**
 * Makes a component known to the App under the name that a panel's Python half gives it. Another
 * dataset mounts it anew: what was asked for the one before has nobody to arrive at.
 */
export function registerPanelComponent(
  name: string,
  label: string,
  Panel: ComponentType<PanelProps>,
): void {
  registerComponent({
    name,
    label,
    component: (props: PanelProps) => <Panel key={useRecoilValue(fos.datasetName)} {...props} />,
    type: PluginComponentType.Component,
    activator: () => true,
  });
}
