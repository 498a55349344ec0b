// The parts of the App's own packages that the panels use; the App publishes no types of them.
// Tried with FiftyOne 1.22.

declare module "@fiftyone/operators" {
  export interface OperatorResult {
    result?: unknown;
    error?: string | null;
    errorMessage?: string | null;
  }
  export function useTriggerPanelEvent(): (
    uri: string,
    params: object,
    prompt?: boolean,
    callback?: (result: OperatorResult) => void,
  ) => void;
  export function executeOperator(uri: string, params?: object): Promise<unknown>;
  /** opens an operator's form */
  export function usePromptOperatorInput(): (uri: string) => void;
}

declare module "@fiftyone/plugins" {
  export enum PluginComponentType {
    Component = 3,
  }
  export function registerComponent(registration: {
    name: string;
    label: string;
    component: unknown;
    type: PluginComponentType;
    activator: () => boolean;
  }): void;
}

declare module "@fiftyone/state" {
  import type { RecoilState, RecoilValueReadOnly } from "recoil";
  export type Filters = Record<string, Record<string, unknown>>;
  export const view: RecoilState<unknown[]>;
  export const filters: RecoilState<Filters>;
  export const datasetName: RecoilValueReadOnly<string | null>;
  export const extendedSelectionOverrideStage: RecoilState<Record<string, object> | null>;
  export const theme: RecoilState<"dark" | "light">;
  export const colorScheme: RecoilState<ColorScheme>;
  /** gives the color that the App has for a value */
  export const colorMap: RecoilValueReadOnly<(value: string) => string>;
  export interface ColorScheme {
    colorBy?: "field" | "value" | "instance" | null;
    colorPool: string[];
    fields?: { path: string; valueColors?: { value: string; color: string }[] | null }[] | null;
  }
  export function useResetExtendedSelection(): () => void;
}

declare module "*.css?inline" {
  const css: string;
  export default css;
}
