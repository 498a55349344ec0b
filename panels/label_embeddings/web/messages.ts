// Written by `make types` from messages.py: change that, not this.
import type { Column, FileContent } from "../../app/binary";

export const RUN_STATES = ["ready", "computing", "empty"] as const;
export type RunState = (typeof RUN_STATES)[number];

export const ATTRIBUTE_KINDS = ["categorical", "continuous", "boolean", "tags"] as const;
export type AttributeKind = (typeof ATTRIBUTE_KINDS)[number];

export const SCOPES = ["label", "sample"] as const;
export type Scope = (typeof SCOPES)[number];

export const TARGETS = ["labels", "samples"] as const;
export type Target = (typeof TARGETS)[number];

export const LEVELS = ["labels", "images"] as const;
export type Level = (typeof LEVELS)[number];

export const SOURCES = ["neighbors", "map"] as const;
export type Source = (typeof SOURCES)[number];

export const VERDICTS = ["right", "wrong class", "badly placed", "not an object", "not needed", "skipped"] as const;
export type Verdict = (typeof VERDICTS)[number];

export const WAYS = ["relabel", "reject", "suggestion"] as const;
export type Way = (typeof WAYS)[number];

export const LOOKS_BYS = ["scores", "neighbors", "map"] as const;
export type LooksBy = (typeof LOOKS_BYS)[number];

export const SIMILARITYS = ["spelled alike", "plural", "typo", "look alike"] as const;
export type Similarity = (typeof SIMILARITYS)[number];

/** What a reviewer says of some labels. */
export interface AnswerRequest {
  /** its brain key */
  key: string;
  /** its identity, see `Run` */
  run: string;
  answers: GivenAnswer[];
  /** whether they are second answers that an audit asks for */
  again?: boolean;
  /** whether each is for the other labels of its track, too, that the same is asked of */
  along?: boolean;
}

/** What came of some answers. */
export interface Answered {
  /** says so */
  sentence: string;
  /** the token that takes it back, null where that is not possible */
  undo: string | null;
  /** how many labels they were written into */
  changed: number;
  /** how many were changed or deleted since the reviewer saw them */
  refused: number;
}

/** One answer for the labels of some rows. */
export interface AnswerManyRequest {
  /** its brain key */
  key: string;
  /** its identity, see `Run` */
  run: string;
  rows: Column<"rows" | "u4">;
  /** whether they get a class, are rejected, or get what is suggested for each */
  way: Way;
  /** the class that they get */
  label?: string | null;
}

/** An audit of the run's labels. */
export interface BeginAuditRequest {
  /** its brain key */
  key: string;
  /** its identity, see `Run` */
  run: string;
  /** whether one that goes on makes room for a new one */
  anew?: boolean;
}

/** What was done. */
export interface Done {
  /** says so */
  sentence: string;
  /** the token that takes it back, null where that is not possible */
  undo: string | null;
}

/** What is listed. */
export interface ChangesRequest {
  /** how many of the many tags and answers, the last ones */
  most?: number;
}

/** What can be undone, the newest first. */
export interface Changes {
  /** the changes */
  changes: UndoableChange[];
  /** whether there are earlier tags or answers */
  more: boolean;
}

/** What is asked of a run that is open. */
export interface RunRequest {
  /** its brain key */
  key: string;
  /** its identity, see `Run` */
  run: string;
}

/** Pairs of classes. */
export interface ClassPairs {
  /** what says which class a label looks like */
  source: LooksBy;
  /** the most labels first */
  confused: ConfusedClasses[];
  /** the likeliest first */
  similar: SimilarClasses[];
}

/** An attribute of a run. */
export interface ColumnRequest {
  /** its brain key */
  key: string;
  /** its identity, see `Run` */
  run: string;
  /** the path of one of its attributes */
  path: string;
}

/** The clusters of a map. */
export interface Clusters {
  /** of each row, 0 for none */
  codes: Column<"u2">;
  clusters: Cluster[];
}

/** Some attributes of a run, all that a page needs at once. */
export interface ColumnsRequest {
  /** its brain key */
  key: string;
  /** its identity, see `Run` */
  run: string;
  /** the paths of some of its attributes */
  paths: string[];
}

/** Values for every row of some attributes, in the order of the question. */
export interface ColorColumns {
  columns: ColorColumn[];
}

/** Rows to see pictures of. */
export interface CropsRequest {
  /** its brain key */
  key: string;
  /** its identity, see `Run` */
  run: string;
  rows: number[];
  /** the longest side in pixels */
  size?: number;
  /** the context on each side, as a part of the patch's own size */
  margin?: number;
  /** of each row another box that the picture shows too; null for none */
  around?: (number[] | null)[];
}

/** Pictures of some rows. */
export interface Crops {
  crops: Crop[];
}

/** What has a tag, to be left out of the view. */
export interface ExcludeTaggedRequest {
  /** its brain key */
  key: string;
  /** its identity, see `Run` */
  run: string;
  tag: string;
  level?: Level;
}

/** The visualization runs of the dataset, those that are being computed first. */
export interface Runs {
  runs: Run[];
}

/** It is done. */
export type Nothing = Record<string, never>;

/** A class whose labels all become another one's. */
export interface MergeRequest {
  /** its brain key */
  key: string;
  /** its identity, see `Run` */
  run: string;
  /** the class that goes */
  label: string;
  /** the class that it becomes */
  into: string;
  /** the field of the labels, one of the map's; null for the first */
  field?: string | null;
}

/** What was changed. */
export interface Changed {
  /** says so */
  sentence: string;
  /** the token that takes it back, null where that is not possible */
  undo: string | null;
  /** how many labels or samples */
  changed: number;
}

/** How many labels to look at next. */
export interface NextIssuesRequest {
  /** its brain key */
  key: string;
  /** its identity, see `Run` */
  run: string;
  count?: number;
  /** whether those of the audit's random order are asked for, not the most suspicious */
  audit?: boolean;
}

/** The labels to look at next, ranked by all that is known now. */
export interface NextIssues {
  /** null where label issues were not looked for yet, or no audit goes on */
  queue: Queue | null;
}

/** Which run to open. */
export interface OpenRunRequest {
  /** its brain key */
  key: string;
}

/** The points of a run, and what they can be colored by. */
export interface OpenedRun {
  run: Run;
  /** of each row its two or three coordinates */
  points: Column<"f4">;
  attributes: Attribute[];
  /** the attribute that tells the fields apart; null where there is one */
  fieldPath: string | null;
  /** null where there are none */
  labelPath: string | null;
  /** null where there are none */
  confidencePath: string | null;
}

/** A row of a run whose image is opened, and whether to annotate it. */
export interface OpenSampleRequest {
  /** its brain key */
  key: string;
  /** its identity, see `Run` */
  run: string;
  row: number;
  annotate?: boolean;
}

/** What one answer for many labels would do. */
export interface Plan {
  /** how many labels it would change */
  count: number;
  /** asks whether to, or says why none */
  sentence: string;
}

/** What has a tag, as a saved view. */
export interface SaveTaggedViewRequest {
  /** its brain key */
  key: string;
  /** its identity, see `Run` */
  run: string;
  tag: string;
  target?: Target;
  /** of the view; null for a name like the tag's */
  name?: string | null;
}

/** A saved view. */
export interface SavedView {
  /** says so */
  sentence: string;
  /** the token that takes it back, null where that is not possible */
  undo: string | null;
  name: string;
  /** whether it is new */
  created: boolean;
}

/** What the patches of a run can be searched by. */
export interface Searches {
  /** whether images, as is known which backbone embedded the patches */
  images: boolean;
  /** whether words, as that backbone embeds them too */
  words: boolean;
  /** how large the file of an image may be */
  mostBytes: number;
}

/** Some rows of a run. */
export interface RowsRequest {
  /** its brain key */
  key: string;
  /** its identity, see `Run` */
  run: string;
  rows: Column<"rows" | "u4">;
}

/** The view stages that make the App's grid show exactly some rows. */
export interface Stages {
  /** by the path of their class; null where no restriction is needed */
  stages: Record<string, Record<string, unknown>> | null;
  count: number;
}

/** Rows whose nearest ones are wanted. */
export interface SimilarRequest {
  /** its brain key */
  key: string;
  /** its identity, see `Run` */
  run: string;
  rows: Column<"rows" | "u4">;
  /** how many */
  count?: number;
}

/** The rows nearest to some, or to something else, nearest first. */
export interface Similar {
  rows: number[];
  /** whether by their embeddings, or on the map */
  source: Source;
  /** which rows were not compared, null where all were */
  note: string | null;
}

/** An image whose nearest rows are wanted. */
export interface ImageRequest {
  /** its brain key */
  key: string;
  /** its identity, see `Run` */
  run: string;
  /** the content of its file, in base64 */
  image: FileContent;
  /** how many */
  count?: number;
}

/** Words whose nearest rows are wanted. */
export interface WordsRequest {
  /** its brain key */
  key: string;
  /** its identity, see `Run` */
  run: string;
  words: string;
  /** how many */
  count?: number;
}

/** A tag for the labels or samples of some rows. */
export interface TagRequest {
  /** its brain key */
  key: string;
  /** its identity, see `Run` */
  run: string;
  rows: Column<"rows" | "u4">;
  tag: string;
  target?: Target;
  /** whether it is removed instead of added */
  remove?: boolean;
}

/** What is taken back. */
export interface UndoRequest {
  /** the `undo` of what was done, or the `token` of a listed change or a round */
  token: string;
}

/** A change was taken back. */
export interface Undone {
  /** says so */
  sentence: string;
  /** null, since there is no redo */
  undo: null;
  /** whether labels came back that have no patch */
  anew: boolean;
}

/** The rows in the App's view under its filters. */
export interface VisibleRows {
  /** null where that is all of them */
  mask: Column<"rows"> | null;
  count: number;
}

/** What a reviewer says of a label. */
export interface GivenAnswer {
  /** of the label */
  id: string;
  sampleId: string;
  /** the class that the reviewer saw */
  seen?: string | null;
  verdict: Verdict;
  /** the class that it should be, for a wrong one */
  label?: string | null;
  /** where it should be, for a badly placed one */
  box?: number[] | null;
  /** the box that the reviewer saw, null where that does not matter */
  seenBox?: number[] | null;
}

/** A change of the dataset that can be undone. */
export interface UndoableChange {
  /** what undoes it */
  token: string;
  /** what it did */
  sentence: string;
  /** who did it */
  by: string;
  /** when, in ISO 8601 */
  at: string;
}

/** The labels of one class that look like another. */
export interface ConfusedClasses {
  label: string;
  looksLike: string;
  /** these labels */
  rows: Column<"u4">;
  /** how many labels of the class the map has */
  of: number;
}

/** Two classes of a field that may be one. */
export interface SimilarClasses {
  /** the field, as the dataset calls it */
  field: string;
  /** the rarer, and the more frequent, which it would be merged into */
  label: string;
  /** the rarer, and the more frequent, which it would be merged into */
  into: string;
  /** how many labels the field has of each */
  labels: number;
  /** how many labels the field has of each */
  intoLabels: number;
  /** what makes them alike */
  reason: Similarity;
  /** how many neighbors have the other class, as a part of what chance would have if the two were one; null where that is little, or not known */
  mixing: number | null;
}

/** A cluster of points. */
export interface Cluster {
  /** its code in the column of codes */
  code: number;
  size: number;
  /** the class that most of its points have, null where they have none */
  label: string | null;
  /** the part of its labeled points that have that class */
  purity: number;
  center: number[];
  /** rows of its points of another class */
  strangers: Column<"u4">;
}

/** A value for every row: codes into categories, or numbers. */
export interface ColorColumn {
  path: string;
  kind: AttributeKind;
  /** 0 for none, else one more than a place in `categories`; null for numbers */
  codes: Column<"u2"> | null;
  categories: string[];
  /** NaN for none; null for categories */
  values: Column<"f4"> | null;
}

/** A picture of a row, or why there is none. */
export interface Crop {
  row: number;
  /** of the label and its sample */
  id: string;
  /** of the label and its sample */
  sampleId: string;
  /** a `data:` URI */
  image: string | null;
  /** the label's box, relative to the picture: x, y, width and height */
  box: [number, number, number, number] | null;
  /** what the picture shows of the image, relative to the image */
  window: [number, number, number, number] | null;
  label: string | null;
  confidence: number | null;
  /** of the label, or the sample's */
  tags: string[];
  /** the field of the label, null where the map has one */
  field: string | null;
  problem: string | null;
  /** the label's shape, null where it has no more than its box */
  shape: Shape | null;
  /** why its shape is not there */
  shapeProblem: string | null;
}

/** A visualization run of the dataset, by whomever it was computed. */
export interface Run {
  /** its brain key */
  key: string;
  /** the identity of this very run, null while it is computed: another one may come under the same key */
  run: string | null;
  /** "umap", "tsne", "pca", "manual" or another */
  method: string | null;
  model: string | null;
  /** the label field, of several the first; null for whole images */
  patchesField: string | null;
  /** all of its label fields */
  fields: string[];
  /** null where it is not known before the run is read */
  numPoints: number | null;
  numDims: number | null;
  /** in ISO 8601 */
  created: string | null;
  state: RunState;
  /** the finished part, in [0, 1] */
  progress: number | null;
  progressLabel: string | null;
  /** why it cannot be opened */
  problem: string | null;
  /** what of it is not on the map any more, null where all of it is */
  note: string | null;
}

/** What is left to review, the most suspicious first; of an audit, in its random order. */
export interface Queue {
  items: Item[];
  /** how many answers there are; of an audit, those that count so far, and second ones */
  reviewed: number;
  /** how many issues are expected to be left; of an audit, how many answers more would halve its interval */
  expected: number;
  stop: boolean;
  sentence: string;
  classes: string[];
  /** what cannot be known in this dataset; what else the audit says */
  notes: string[];
}

/** What points can be colored by. */
export interface Attribute {
  /** the field's path in the dataset, or what stands for those of several fields */
  path: string;
  /** the path without what all attributes of the labels have in common */
  name: string;
  /** "tags" are lists of names */
  kind: AttributeKind;
  scope: Scope;
  /** whether its values are hidden in the map alone, as the sidebar has no filter that does */
  isFilteredHere: boolean;
}

/** The shape of a label over its picture. */
export interface Shape {
  /** the points of each line */
  lines: number[][][];
  /** whether each line ends where it begins */
  closed: boolean;
  /** whether the label is what lies within an odd number of the lines */
  filled: boolean;
  /** points beside the lines */
  points: number[][];
}

/** A label to look at. */
export interface Item {
  row: number;
  id: string;
  sampleId: string;
  label: string | null;
  confidence: number | null;
  /** the class that it should be, null where it cannot be known */
  suggested: string | null;
  /** the three likeliest other classes, the likeliest first */
  suggestions: string[];
  /** its box, relative to the image; null where it is an outline */
  box: number[] | null;
  /** where it should be, null where nobody says so */
  suggestedBox: number[] | null;
  /** its main problem, null where nothing stands out */
  issue: string | null;
  reason: string | null;
  /** probability that it is wrong, as learned so far */
  suspicion: number;
  /** whether somebody tagged it for a review */
  flagged: boolean;
  /** rows of the most similar patches, and of those of the suggested class */
  neighbors: number[];
  /** rows of the most similar patches, and of those of the suggested class */
  examples: number[];
  /** whether an audit asks for a second answer, which is not written into the label */
  again: boolean;
  /** how many other labels of its track the same is asked of, and not asked about */
  along: number;
  /** whether another label shows its object */
  needless: boolean;
  /** whether it is said of the whole image */
  whole: boolean;
  /** why its box is not moved, null where it can be */
  fixed: string | null;
}

/** What Python can be asked, and what it answers. */
export interface Methods {
  /** Writes answers into labels; second ones stay with the audit that asked for them. */
  answer: { request: AnswerRequest; answer: Answered };
  /** Gives one answer for the selected labels. */
  answer_many: { request: AnswerManyRequest; answer: Answered };
  /** Begins an audit of the run's labels, or goes on with the one that there is. */
  begin_audit: { request: BeginAuditRequest; answer: Done };
  /** What can be undone, whoever did it in whichever panel. */
  changes: { request: ChangesRequest; answer: Changes };
  /** Which classes are confused, and which may be one. */
  class_pairs: { request: RunRequest; answer: ClassPairs };
  /** The clusters of the map, named by an attribute. */
  clusters: { request: ColumnRequest; answer: Clusters };
  /** The values of some attributes. */
  color_columns: { request: ColumnsRequest; answer: ColorColumns };
  /** Pictures of some rows. */
  crops: { request: CropsRequest; answer: Crops };
  /** Leaves what has a tag out of the App's view. */
  exclude_tagged: { request: ExcludeTaggedRequest; answer: Done };
  /** All visualization runs of the dataset, those that are being computed too. */
  list_runs: { request: object; answer: Runs };
  /** Loads what a search needs, which takes seconds; a search does so too where it was not. */
  load_backbone: { request: RunRequest; answer: Nothing };
  /** Gives all labels of a class the name of another. */
  merge_classes: { request: MergeRequest; answer: Changed };
  /** The labels to look at next, ranked by all that is known now, or as an audit drew them. */
  next_issues: { request: NextIssuesRequest; answer: NextIssues };
  /** The points of a run, and what they can be colored by. */
  open_run: { request: OpenRunRequest; answer: OpenedRun };
  /** Opens a row's image, or its patch in a patches view, in the modal. */
  open_sample: { request: OpenSampleRequest; answer: Nothing };
  /** What one answer for the selected labels would do. */
  plan_many: { request: AnswerManyRequest; answer: Plan };
  /** Saves the view of what has a tag. */
  save_tagged_view: { request: SaveTaggedViewRequest; answer: SavedView };
  /** What the patches of a run can be searched by. */
  searches: { request: RunRequest; answer: Searches };
  /** The view stages that make the App's grid show exactly some rows. */
  select_rows: { request: RowsRequest; answer: Stages };
  /** The rows nearest to the selected ones. */
  similar: { request: SimilarRequest; answer: Similar };
  /** The rows nearest to an image. */
  similar_to_image: { request: ImageRequest; answer: Similar };
  /** The rows nearest to what words say. */
  similar_to_words: { request: WordsRequest; answer: Similar };
  /** Adds a tag to the selected labels or samples, or removes it. */
  tag: { request: TagRequest; answer: Changed };
  /** Takes a change back. */
  undo: { request: UndoRequest; answer: Undone };
  /** The rows in the App's view under its filters. */
  visible_rows: { request: RunRequest; answer: VisibleRows };
}

/** The version of these messages, which a page and the server must share. */
export const CONTRACT = "6d5465b845ae5466";
