// What panels show of each dataset. It is kept here, because the App mounts a panel anew when its
// layout changes, and because other panels open things in them.
import { executeOperator } from "@fiftyone/operators";
import { useEffect, useState } from "react";

/** What one panel shows: of each dataset one thing, or the list of them. */
class Opening<What> {
  private readonly opened = new Map<string, What | null>();
  private readonly listeners = new Set<() => void>();

  constructor(private readonly panel: string) {}

  /** Returns null where a person chose the list, undefined where nothing was chosen yet. */
  of(datasetName: string | null): What | null | undefined {
    return datasetName === null ? undefined : this.opened.get(datasetName);
  }

  set(datasetName: string | null, what: What | null): void {
    if (datasetName === null) return;
    this.opened.set(datasetName, what);
    for (const listener of this.listeners) listener();
  }

  /** Shows something in the panel, and the panel beside the grid. */
  show(datasetName: string | null, what: What): void {
    this.set(datasetName, what);
    executeOperator("open_panel", { name: this.panel, isActive: true, layout: "horizontal" });
  }

  /** Calls a function whenever something is opened, until what this returns is called. */
  listen(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
}

/** What a panel shows of a dataset, and another when another is opened; see {@link Opening.of}. */
export function useOpened<What>(
  opening: Opening<What>,
  datasetName: string | null,
): What | null | undefined {
  const [opened, setOpened] = useState(() => opening.of(datasetName));
  useEffect(() => {
    const follow = () => setOpened(opening.of(datasetName));
    follow();
    return opening.listen(follow);
  }, [opening, datasetName]);
  return opened;
}

/** Labels with a confidence: of a field, of one run of auto labeling or of all. */
export interface Source {
  field: string;
  run: string | null;
}

/** A review of the labels of a run, by its id: of the most suspicious, or of a random sample. */
export interface OpenReview {
  run: string | null;
  sample: boolean;
}

/** The brain key of the run that *Label embeddings* shows. */
export const openMaps = new Opening<string>("label_embeddings");
/** The brain key of the map in whose review *Label embeddings* is asked for the random sample of the
 * audit that was begun last, until it shows it. */
export const openSamples = new Opening<string>("label_embeddings");
/** The review that is open in *Label embeddings*. */
export const openReviews = new Opening<OpenReview>("label_embeddings");
/** The labels that *Auto Labeling* shows. */
export const openSources = new Opening<Source>("auto_labeling");
