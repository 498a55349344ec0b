import { executeOperator, useTriggerPanelEvent } from "@fiftyone/operators";
import * as fos from "@fiftyone/state";
import { useCallback, useRef } from "react";
import { useRecoilCallback, useRecoilValue } from "recoil";
import { OTHER_VERSION } from "./binary";
import { coalesced } from "./coalesced";

/** What the App hands to a panel's component. */
export interface PanelProps {
  schema: { view: Record<string, unknown> };
  data?: Record<string, unknown>;
  layout?: { width?: number; height?: number };
}

/** What a panel is drawn from. */
export interface Drawn<Wire> {
  wire: Wire;
  datasetName: string | null;
  /** the page that Python opened the panel at, if it asked for one */
  page: unknown;
}

/** What the methods of a panel's Python half are asked and answer, as its `messages.ts` says. */
export type MethodsOf<Methods> = Record<keyof Methods, { request: object; answer: object }>;

/** A call to a method of the panel's Python half. */
export type CallPython<Methods extends MethodsOf<Methods>> = <Name extends keyof Methods & string>(
  method: Name,
  request: Methods[Name]["request"],
) => Promise<Methods[Name]["answer"]>;

/** What Python refused, as the sentence that a person reads. */
export class PythonError extends Error {
  /** Whether the thing that was asked about has changed or gone since. */
  readonly stale: boolean;

  constructor(sentence: string, stale = false) {
    super(sentence);
    this.name = "PythonError";
    this.stale = stale;
  }
}

interface Result {
  error?: string;
  stale?: boolean;
  /** what the App is to do now */
  then?: { operator_uri: string; params: object }[];
}

// A reviewer answers once a second, and the grid takes half a second of the page's only thread.
const GRID_REST_MS = 3_000;
const RELOAD_GRID = "reload_samples";
const reloadGrid = coalesced(() => executeOperator(RELOAD_GRID, {}), GRID_REST_MS);

const OTHER_DATASET = "The App shows another dataset now.";

/**
 * Returns the function that calls the Python half: another one for another dataset. The methods that
 * a panel has are the URIs in its view's schema; an answer with an `error` rejects with a
 * {@link PythonError}, and so does one that comes after the dataset was switched: nothing is done
 * about it.
 *
 * @param contract the version of the messages that this page knows; a server of another is not asked
 */
export function usePython<Methods extends MethodsOf<Methods>>(
  props: PanelProps,
  contract: string,
): CallPython<Methods> {
  const trigger = useTriggerPanelEvent();
  const dataset = useRecoilValue(fos.datasetName);
  // which one the App shows when an answer comes, even if the panel is closed by then
  const shownDataset = useRecoilCallback(
    ({ snapshot }) =>
      () =>
        snapshot.getLoadable(fos.datasetName).valueMaybe(),
    [],
  );
  // both change with every render of the App, the function must not
  const latest = useRef({ trigger, view: props.schema.view });
  latest.current = { trigger, view: props.schema.view };
  return useCallback(
    (method, request) => {
      const uri = latest.current.view[method];
      if (latest.current.view.contract !== contract || typeof uri !== "string")
        return Promise.reject(new PythonError(OTHER_VERSION));
      return new Promise((resolve, reject) => {
        latest.current.trigger(uri, { ...request, contract, dataset }, false, (answer) => {
          const result = answer.result as Result | undefined;
          const error = answer.error ?? answer.errorMessage ?? result?.error;
          if (shownDataset() !== dataset) reject(new PythonError(OTHER_DATASET));
          else if (error) reject(new PythonError(String(error), Boolean(result?.stale)));
          else if (result === undefined || result === null)
            reject(new PythonError("The App's server did not answer. Is it still running?"));
          else {
            for (const { operator_uri, params } of result.then ?? [])
              if (operator_uri === RELOAD_GRID) reloadGrid();
              else executeOperator(operator_uri, params);
            resolve(result);
          }
        });
      });
    },
    [contract, dataset, shownDataset],
  );
}
