// Which stages of the App's view the review itself added; its twin is approval/review_view.py.
const MARK = /"auto_labeling":\d/;

/** The stages without those that show what is selected in the review. */
export function chosenStages(stages: unknown[]): unknown[] {
  return stages.filter((stage) => !MARK.test(JSON.stringify(stage)));
}
