import { PluginComponentType, registerComponent } from "@fiftyone/plugins";
import * as fos from "@fiftyone/state";
import React, { type ComponentType, memo, useMemo } from "react";
import { useRecoilValue } from "recoil";
import { type CallPython, type Drawn, type MethodsOf, type PanelProps, usePython } from "./panel";

/**
 * Makes a component known to the App under the name that a panel's Python half gives it. Another
 * dataset mounts it anew: what was asked for the one before has nobody to arrive at. The App renders
 * a panel anew with all that happens in it, several times with each question to Python; what is
 * drawn here depends on none of that.
 *
 * @param wire what asks Python, and the version of the messages that this page knows
 */
export function registerPanelComponent<Methods extends MethodsOf<Methods>, Wire>(
  name: string,
  label: string,
  Panel: ComponentType<Drawn<Wire>>,
  { CONTRACT, Wire }: { CONTRACT: string; Wire: new (python: CallPython<Methods>) => Wire },
): void {
  const Still = memo(Panel) as unknown as ComponentType<Drawn<Wire>>;

  function Connected({ datasetName, ...props }: PanelProps & { datasetName: string | null }) {
    const python = usePython<Methods>(props, CONTRACT);
    const wire = useMemo(() => new Wire(python), [python]);
    return <Still wire={wire} datasetName={datasetName} page={props.data?.page} />;
  }

  function Component(props: PanelProps) {
    const datasetName = useRecoilValue(fos.datasetName);
    return <Connected key={datasetName} datasetName={datasetName} {...props} />;
  }

  registerComponent({
    name,
    label,
    component: Component,
    type: PluginComponentType.Component,
    activator: () => true,
  });
}
