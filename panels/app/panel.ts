import { useTriggerPanelEvent } from "@fiftyone/operators";
import { useCallback, useRef } from "react";

/** What the App hands to a panel's component. */
export interface PanelProps {
  schema: { view: Record<string, unknown> };
  data?: Record<string, unknown>;
  layout?: { width?: number; height?: number };
}

/** A call to a method of the panel's Python half, which every panel answers with an object. */
export type CallPython = <Answer>(method: string, params?: object) => Promise<Answer>;

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
 */
export function usePython(props: PanelProps): CallPython {
  const trigger = useTriggerPanelEvent();
  // both change with every render of the App, the function must not
  const latest = useRef({ trigger, view: props.schema.view });
  latest.current = { trigger, view: props.schema.view };
  return useCallback(<Answer>(method: string, params: object = {}) => {
    const uri = latest.current.view[method];
    if (typeof uri !== "string") {
      return Promise.reject(
        new PythonError(
          `This panel has no method '${method}': reload the page, or update labelvet.`,
        ),
      );
    }
    return new Promise<Answer>((resolve, reject) => {
      latest.current.trigger(uri, params, false, (answer) => {
        const result = answer.result as (Answer & { error?: string; stale?: boolean }) | undefined;
        const error = answer.error ?? answer.errorMessage ?? result?.error;
        if (error) reject(new PythonError(String(error), Boolean(result?.stale)));
        else if (result === undefined || result === null)
          reject(new PythonError("The App's server gave no answer: is it still running?"));
        else resolve(result);
      });
    });
  }, []);
}
