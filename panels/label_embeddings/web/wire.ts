// Calls of the Python half, with what is binary on the way packed and unpacked. Nothing else in the
// panel knows how messages travel.
import { telling } from "../../app/answered";
import { packFile, packRows, unpack } from "../../app/binary";
import type { CallPython } from "../../app/panel";
import type { Box } from "./boxes";
import type { Merge } from "./classWords";
import type {
  Answered,
  Changes,
  Cluster as ClusterMessage,
  ConfusedClasses as ConfusedMessage,
  Crop,
  Done,
  Item,
  Level,
  Methods,
  OpenedRun,
  ClassPairs as PairsMessage,
  Plan,
  Queue,
  Run,
  Searches,
  Similar,
  Target,
  Verdict,
  Way,
} from "./messages";
import type { Rows } from "./rows";

export type {
  Attribute,
  Crop,
  Done,
  Item,
  Level,
  Methods,
  Queue,
  Run,
  Searches,
  Shape,
  Similar,
  SimilarClasses,
  Target,
  Verdict,
  Way,
} from "./messages";
export { CONTRACT } from "./messages";

export interface OpenRun extends Omit<OpenedRun, "points"> {
  /** (n * dims) float32, row by row */
  points: Float32Array;
  dims: 2 | 3;
}

/** A value for every row: codes into categories (0 is none), or numbers (NaN is none). */
export type ColorColumn =
  | { path: string; kind: "categorical"; codes: Uint16Array; categories: string[] }
  | { path: string; kind: "continuous"; values: Float32Array };

export interface Cluster extends Omit<ClusterMessage, "strangers"> {
  /** rows whose label is not the cluster's */
  strangers: number[];
}

export interface ConfusedClasses extends Omit<ConfusedMessage, "rows"> {
  /** rows of the labels of the one class that look like the other */
  rows: number[];
}

export interface ClassPairs extends Omit<PairsMessage, "confused"> {
  confused: ConfusedClasses[];
}

export interface GivenAnswer {
  item: Item;
  verdict: Verdict;
  /** what it should be, for a wrong class or box */
  correction: Correction;
}

/** What a label should be. */
export interface Correction {
  label?: string;
  box?: Box;
}

type Call = CallPython<Methods>;

/** The methods of the Python half that need no run. */
export class Wire {
  constructor(private readonly call: Call) {}

  async listRuns(): Promise<Run[]> {
    return (await this.call("list_runs", {})).runs;
  }

  async openRun(key: string): Promise<OpenRun> {
    const { points, ...opened } = await this.call("open_run", { key });
    return { ...opened, points: unpack(points, "f4"), dims: opened.run.numDims === 3 ? 3 : 2 };
  }

  of(run: Run): RunWire {
    return new RunWire(this.call, run);
  }

  changes(most: number): Promise<Changes> {
    return this.call("changes", { most });
  }

  undo(token: string): Promise<Done> {
    return telling(this.call("undo", { token }));
  }
}

/** The methods about one run. */
export class RunWire {
  private readonly about: { key: string; run: string };
  /** the attributes that are asked for next, null where none is */
  private paths: string[] | null = null;
  private columns: Promise<ColorColumn[]> = Promise.resolve([]);

  constructor(
    private readonly call: Call,
    run: Run,
  ) {
    this.about = { key: run.key, run: run.run ?? "" };
  }

  /** What is asked in one go is one question to Python; where that fails, each is one of its own. */
  async colorColumn(path: string): Promise<ColorColumn> {
    if (this.paths === null) {
      this.paths = [];
      this.columns = Promise.resolve().then(() => {
        const paths = this.paths ?? [];
        this.paths = null;
        return this.colorColumns(paths);
      });
    }
    const place = this.paths.push(path) - 1;
    const { paths, columns } = this;
    try {
      return (await columns)[place];
    } catch (error) {
      if (paths.length === 1) throw error;
      return (await this.colorColumns([path]))[0];
    }
  }

  private async colorColumns(paths: string[]): Promise<ColorColumn[]> {
    const { columns } = await this.call("color_columns", { ...this.about, paths });
    return columns.map(({ path, codes, categories, values }) =>
      values !== null
        ? { path, kind: "continuous", values: unpack(values, "f4") }
        : { path, kind: "categorical", codes: unpack(codes ?? "", "u2"), categories },
    );
  }

  /** The rows in the App's view under its filters; null where that is all of them. */
  async visibleRows(): Promise<Rows | null> {
    const { mask } = await this.call("visible_rows", this.about);
    return mask && unpack(mask, "rows");
  }

  async selectRows(rows: Rows): Promise<Record<string, object> | null> {
    return (await this.call("select_rows", { ...this.about, rows: packRows(rows) })).stages;
  }

  async crops(
    rows: number[],
    size: number,
    margin: number,
    around: (Box | null)[] = [],
  ): Promise<Crop[]> {
    return (await this.call("crops", { ...this.about, rows, size, margin, around })).crops;
  }

  tag(rows: Rows, tag: string, target: Target, remove: boolean): Promise<Done> {
    return this.call("tag", { ...this.about, rows: packRows(rows), tag, target, remove });
  }

  saveTaggedView(tag: string, target: Target): Promise<Done> {
    return this.call("save_tagged_view", { ...this.about, tag, target });
  }

  excludeTagged(tag: string, level: Level): Promise<Done> {
    return this.call("exclude_tagged", { ...this.about, tag, level });
  }

  similar(rows: Rows, count: number): Promise<Similar> {
    return this.call("similar", { ...this.about, rows: packRows(rows), count });
  }

  searches(): Promise<Searches> {
    return this.call("searches", this.about);
  }

  /** Resolves once what a search needs is loaded. */
  loadBackbone(): Promise<object> {
    return this.call("load_backbone", this.about);
  }

  similarToWords(words: string, count: number): Promise<Similar> {
    return this.call("similar_to_words", { ...this.about, words, count });
  }

  async similarToImage(file: Blob, count: number): Promise<Similar> {
    return this.call("similar_to_image", { ...this.about, image: await packFile(file), count });
  }

  async clusters(path: string): Promise<{ codes: Uint16Array; clusters: Cluster[] }> {
    const { codes, clusters } = await this.call("clusters", { ...this.about, path });
    return {
      codes: unpack(codes, "u2"),
      clusters: clusters.map((cluster) => ({
        ...cluster,
        strangers: Array.from(unpack(cluster.strangers, "u4")),
      })),
    };
  }

  async classPairs(): Promise<ClassPairs> {
    const { confused, ...others } = await this.call("class_pairs", this.about);
    return {
      ...others,
      confused: confused.map((pair) => ({ ...pair, rows: Array.from(unpack(pair.rows, "u4")) })),
    };
  }

  mergeClasses({ field, label, into }: Merge): Promise<Done> {
    return this.call("merge_classes", { ...this.about, field, label, into });
  }

  /**
   * @param audit whether those of the audit are asked for, not the most suspicious
   * @returns null where label issues were not looked for yet, or no audit goes on
   */
  async nextIssues(count: number, audit: boolean): Promise<Queue | null> {
    return (await this.call("next_issues", { ...this.about, count, audit })).queue;
  }

  /** @param anew whether an audit that goes on makes room for a new one */
  beginAudit(anew: boolean): Promise<Done> {
    return telling(this.call("begin_audit", { ...this.about, anew }));
  }

  /** @param along whether each is for the other labels of its track, too */
  answer(answers: GivenAnswer[], along: boolean): Promise<Answered> {
    const change = this.call("answer", {
      ...this.about,
      along,
      again: answers.some(({ item }) => item.again),
      answers: answers.map(({ item, verdict, correction }) => ({
        id: item.id,
        sampleId: item.sampleId,
        seen: item.label,
        verdict,
        label: correction.label ?? null,
        box: correction.box ?? null,
        seenBox: item.box,
      })),
    });
    return telling(change);
  }

  planMany(rows: Rows, way: Way, label: string | null): Promise<Plan> {
    return this.call("plan_many", { ...this.about, rows: packRows(rows), way, label });
  }

  answerMany(rows: Rows, way: Way, label: string | null): Promise<Answered> {
    return telling(this.call("answer_many", { ...this.about, rows: packRows(rows), way, label }));
  }

  /** Opens a row's image in the App, to annotate it where the App can. */
  openSample(row: number, annotate: boolean): Promise<object> {
    return this.call("open_sample", { ...this.about, row, annotate });
  }
}
