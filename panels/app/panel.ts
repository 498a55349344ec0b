import { useTriggerPanelEvent } from "@fiftyone/operators";
import { useCallback, useRef } from "react";
import { OTHER_VERSION } from "./binary";

/** What the App hands to a panel's component. */
export interface PanelProps {
  schema: { view: Record<string, unknown> };
  data?: Record<string, unknown>;
  layout?: { width?: number; height?: number };
}

/** What the methods of a panel's Python half are asked and answer, as its `messages.ts` says. */
type MethodsOf<Methods> = Record<keyof Methods, { request: object; answer: object }>;

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

/**
 * Returns the function that calls the Python half. The methods that a panel has are the URIs in its
 * view's schema; an answer with an `error` rejects with a {@link PythonError}.
 *
 * @param contract the version of the messages that this page knows; a server of another is not asked
 */
export function usePython<Methods extends MethodsOf<Methods>>(
  props: PanelProps,
  contract: string,
): CallPython<Methods> {
  const trigger = useTriggerPanelEvent();
  // both change with every render of the App, the function must not
  const latest = useRef({ trigger, view: props.schema.view });
  latest.current = { trigger, view: props.schema.view };
  return useCallback(
    (method, request) => {
      const uri = latest.current.view[method];
      if (latest.current.view.contract !== contract || typeof uri !== "string")
        return Promise.reject(new PythonError(OTHER_VERSION));
      return new Promise((resolve, reject) => {
        latest.current.trigger(uri, { ...request, contract }, false, (answer) => {
          const result = answer.result as { error?: string; stale?: boolean } | undefined;
          const error = answer.error ?? answer.errorMessage ?? result?.error;
          if (error) reject(new PythonError(String(error), Boolean(result?.stale)));
          else if (result === undefined || result === null)
            reject(new PythonError("The App's server did not answer. Is it still running?"));
          else resolve(result);
        });
      });
    },
    [contract],
  );
}
