import { describe, expect, it } from "vitest";
import type { CallPython } from "../../app/panel";
import type { Methods } from "./messages";
import { rowsOf } from "./rows";
import { type Run, Wire } from "./wire";

const RUN = { key: "patches", run: "6b05", numDims: 2 } as Run;
const POINTS = "TFZFVAEBAAAEAAAAAACAPwAAAEAAAEBAAACAQA=="; // 1, 2, 3, 4
const MASK = "TFZFVAEEAAADAAAABQ=="; // the first and the last of 3

/** Python's answers by method; what was asked is kept. */
function python(answers: Record<string, object>) {
  const asked: [string, object][] = [];
  const call: CallPython<Methods> = async (method, request) => {
    asked.push([method, request]);
    return answers[method] as never;
  };
  return { wire: new Wire(call), asked };
}

describe("the wire", () => {
  it("opens a run", async () => {
    const answer = { run: RUN, points: POINTS, attributes: [], labelPath: null };
    const opened = await python({ open_run: answer }).wire.openRun("patches");
    expect(opened.points).toEqual(Float32Array.of(1, 2, 3, 4));
    expect(opened.dims).toBe(2);
  });

  it("says in every call which run it means", async () => {
    const { wire, asked } = python({ visible_rows: { mask: MASK }, tag: { sentence: "done" } });
    const run = wire.of(RUN);
    expect(await run.visibleRows()).toEqual(Uint8Array.of(1, 0, 1));
    await run.tag(rowsOf(3, [0, 2]), "needs-review", "labels", false);
    for (const [, request] of asked) expect(request).toMatchObject({ key: "patches", run: "6b05" });
    expect(asked[1][1]).toMatchObject({ rows: MASK, remove: false });
  });

  it("asks for the columns of a page in one call", async () => {
    const column = { codes: null, categories: [], values: POINTS };
    const columns = [
      { ...column, path: "label" },
      { ...column, path: "confidence" },
    ];
    const { wire, asked } = python({ color_columns: { columns } });
    const run = wire.of(RUN);
    const both = await Promise.all([run.colorColumn("label"), run.colorColumn("confidence")]);
    expect(both.map(({ path }) => path)).toEqual(["label", "confidence"]);
    expect(asked).toHaveLength(1);
    expect(asked[0][1]).toMatchObject({ paths: ["label", "confidence"] });
    await run.colorColumn("label");
    expect(asked).toHaveLength(2);
  });

  it("gives the columns that there are where another cannot be read", async () => {
    const call: CallPython<Methods> = async (_method, request) => {
      const { paths } = request as { paths: string[] };
      if (paths.includes("gone")) throw new Error("no such field");
      const values = { codes: null, categories: [], values: POINTS };
      return { columns: paths.map((path) => ({ path, ...values })) } as never;
    };
    const run = new Wire(call).of(RUN);
    const [there, gone] = await Promise.allSettled([
      run.colorColumn("label"),
      run.colorColumn("gone"),
    ]);
    expect(there).toMatchObject({ status: "fulfilled", value: { path: "label" } });
    expect(gone).toMatchObject({ status: "rejected", reason: new Error("no such field") });
  });
});
