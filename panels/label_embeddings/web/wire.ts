// What travels between the panel and its Python half, and the only place that knows its format:
// columns and sets of rows are binary, in base64, little-endian. Its twin is wire.py.
import type { CallPython } from "../../app/panel";
import { packRows, type Rows, unpackRows } from "./rows";

/** A visualization run of the dataset, by whomever it was computed. */
export interface Run {
  key: string;
  /** the identity of this very run: another one may come under the same key */
  run: string | null;
  method: string | null;
  model: string | null;
  /** the label field, null for whole images */
  patchesField: string | null;
  numPoints: number | null;
  numDims: number | null;
  /** ISO 8601 */
  created: string | null;
  state: "ready" | "computing" | "empty";
  progress?: number | null;
  progressLabel?: string | null;
  problem?: string | null;
}

export interface Attribute {
  path: string;
  name: string;
  kind: "categorical" | "continuous" | "boolean" | "tags";
  scope: "label" | "sample";
}

export interface OpenRun {
  run: Run;
  /** (n * dims) float32, row by row */
  points: Float32Array;
  dims: 2 | 3;
  attributes: Attribute[];
  labelPath: string | null;
  confidencePath: string | null;
}

/** A value for every row: codes into categories (0 is none), or numbers (NaN is none). */
export type ColorColumn =
  | { path: string; kind: "categorical"; codes: Uint16Array | Uint32Array; categories: string[] }
  | { path: string; kind: "continuous"; values: Float32Array };

export interface Crop {
  row: number;
  image?: string;
  /** the label's box, relative to the crop */
  box?: [number, number, number, number];
  label?: string | null;
  confidence?: number | null;
  tags?: string[];
  problem?: string | null;
}

export interface Cluster {
  code: number;
  size: number;
  label: string | null;
  purity: number;
  center: number[];
  /** rows whose label is not the cluster's */
  strangers: number[];
}

export interface Done {
  sentence: string;
  changed?: number;
  undo?: string | null;
  name?: string;
}

/** What a reviewer says of a label; the words are those that are kept in it. */
export type Verdict = "right" | "wrong class" | "not an object" | "skipped";

/** A label to look at. */
export interface Item {
  row: number;
  id: string;
  sampleId: string;
  label: string | null;
  confidence: number | null;
  /** the class that it should be, null where it cannot be known */
  suggested: string | null;
  /** its main problem, null where nothing stands out */
  issue: "mislabeled" | "spurious" | "missed" | "duplicate" | null;
  reason: string | null;
  /** probability that it is wrong, as learned so far */
  suspicion: number;
  /** whether somebody tagged it for a review */
  flagged: boolean;
  /** rows of the most similar patches, and of those of the suggested class */
  neighbors: number[];
  examples: number[];
}

/** What is left to review, the most suspicious first. */
export interface Queue {
  items: Item[];
  left: number;
  reviewed: number;
  /** issues that are expected to be left, and the interval */
  expected: number;
  low: number;
  high: number;
  stop: boolean;
  sentence: string;
  classes: string[];
  notes: string[];
}

export interface Answer {
  item: Item;
  verdict: Verdict;
  label?: string;
}

interface Column {
  dtype: "f4" | "u1" | "u2" | "u4" | "i4";
  data: string;
}

const ARRAYS = {
  f4: Float32Array,
  u1: Uint8Array,
  u2: Uint16Array,
  u4: Uint32Array,
  i4: Int32Array,
} as const;

/** Decodes a column; browsers are little-endian, as the wire is. */
export function decodeColumn(column: Column) {
  const bytes = fromBase64(column.data);
  const array = ARRAYS[column.dtype];
  if (array === undefined || bytes.length % array.BYTES_PER_ELEMENT)
    throw new Error(`A column of '${column.dtype}' cannot be read: reload the page.`);
  return new array(bytes.buffer, 0, bytes.length / array.BYTES_PER_ELEMENT);
}

export function encodeRows(rows: Rows): { bits: string } {
  return { bits: toBase64(packRows(rows)) };
}

/** The methods of the Python half that need no run. */
export class Wire {
  constructor(private readonly call: CallPython) {}

  async listRuns(): Promise<Run[]> {
    return (await this.call<{ runs: Run[] }>("list_runs")).runs;
  }

  async openRun(key: string): Promise<OpenRun> {
    const answer = await this.call<{
      run: Run;
      geometry: Column;
      attributes: Attribute[];
      labelPath: string | null;
      confidencePath: string | null;
    }>("open_run", { key });
    return {
      run: answer.run,
      points: decodeColumn(answer.geometry) as Float32Array,
      dims: answer.run.numDims === 3 ? 3 : 2,
      attributes: answer.attributes,
      labelPath: answer.labelPath,
      confidencePath: answer.confidencePath,
    };
  }

  of(run: Run): RunWire {
    return new RunWire(this.call, run);
  }

  undo(token: string): Promise<Done> {
    return this.call<Done>("undo", { token });
  }
}

/** The methods about one run. */
export class RunWire {
  private readonly about: { key: string; run: string | null };

  constructor(
    private readonly call: CallPython,
    run: Run,
  ) {
    this.about = { key: run.key, run: run.run };
  }

  async colorColumn(path: string): Promise<ColorColumn> {
    const answer = await this.ask<{
      kind: string;
      codes?: Column;
      categories?: string[];
      values?: Column;
    }>("color_column", { path });
    if (answer.values)
      return { path, kind: "continuous", values: decodeColumn(answer.values) as Float32Array };
    return {
      path,
      kind: "categorical",
      codes: decodeColumn(answer.codes as Column) as Uint16Array,
      categories: answer.categories ?? [],
    };
  }

  /** The rows in the App's view under its filters; null where that is all of them. */
  async visibleRows(length: number): Promise<Rows | null> {
    const { mask } = await this.ask<{ mask: { bits: string } | null }>("visible_rows");
    return mask && unpackRows(fromBase64(mask.bits), length);
  }

  async selectRows(rows: Rows): Promise<Record<string, object> | null> {
    const { stages } = await this.ask<{ stages: Record<string, object> | null }>("select_rows", {
      rows: encodeRows(rows),
    });
    return stages;
  }

  async crops(rows: number[], size: number, margin: number): Promise<Crop[]> {
    return (await this.ask<{ crops: Crop[] }>("crops", { rows, size, margin })).crops;
  }

  tag(rows: Rows, tag: string, target: "labels" | "samples", remove: boolean): Promise<Done> {
    return this.ask<Done>("tag", { rows: encodeRows(rows), tag, target, remove });
  }

  saveTaggedView(tag: string, target: "labels" | "samples"): Promise<Done> {
    return this.ask<Done>("save_tagged_view", { tag, target });
  }

  excludeTagged(tag: string, level: "labels" | "images"): Promise<Done> {
    return this.ask<Done>("exclude_tagged", { tag, level });
  }

  similar(rows: Rows, count: number): Promise<{ rows: number[]; source: "neighbors" | "map" }> {
    return this.ask("similar", { rows: encodeRows(rows), count });
  }

  async clusters(path: string): Promise<{ codes: Uint16Array; clusters: Cluster[] }> {
    const answer = await this.ask<{
      codes: Column;
      clusters: (Omit<Cluster, "strangers"> & { strangers: Column })[];
    }>("clusters", { path });
    return {
      codes: decodeColumn(answer.codes) as Uint16Array,
      clusters: answer.clusters.map((cluster) => ({
        ...cluster,
        strangers: Array.from(decodeColumn(cluster.strangers)),
      })),
    };
  }

  /** null where label issues were not looked for yet */
  async nextIssues(count: number): Promise<Queue | null> {
    return (await this.ask<{ queue: Queue | null }>("next_issues", { count })).queue;
  }

  answer(answers: Answer[]): Promise<Done & { refused: number }> {
    return this.ask("answer", {
      answers: answers.map(({ item, verdict, label }) => ({
        id: item.id,
        sampleId: item.sampleId,
        seen: item.label,
        verdict,
        label: label ?? null,
      })),
    });
  }

  undoAnswer(token: string): Promise<Done> {
    return this.ask<Done>("undo_answer", { token });
  }

  openSample(row: number): Promise<unknown> {
    return this.ask("open_sample", { row });
  }

  private ask<Answer>(method: string, params: object = {}): Promise<Answer> {
    return this.call<Answer>(method, { ...this.about, ...params });
  }
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

function toBase64(bytes: Uint8Array): string {
  const CHUNK = 0x8000; // more arguments than this overflow the stack
  let binary = "";
  for (let start = 0; start < bytes.length; start += CHUNK)
    binary += String.fromCharCode(...bytes.subarray(start, start + CHUNK));
  return btoa(binary);
}
