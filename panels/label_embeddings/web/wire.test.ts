import { describe, expect, it } from "vitest";
import type { CallPython } from "../../app/panel";
import { rowsOf } from "./rows";
import { decodeColumn, encodeRows, Wire } from "./wire";

const base64 = (array: ArrayBufferView) =>
  Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString("base64");

const RUN = { key: "patches", run: "6b05", numDims: 2 };

/** Python's answers by method; what was asked is kept. */
function python(answers: Record<string, object>) {
  const asked: [string, object | undefined][] = [];
  const call: CallPython = async (method, params) => {
    asked.push([method, params]);
    return answers[method] as never;
  };
  return { wire: new Wire(call), asked };
}

describe("columns", () => {
  it("come as the numbers that Python sent", () => {
    const numbers = Float32Array.of(1.5, -2, Number.NaN);
    expect(decodeColumn({ dtype: "f4", data: base64(numbers) })).toEqual(numbers);
    expect(decodeColumn({ dtype: "u2", data: base64(Uint16Array.of(1, 65535)) })).toEqual(
      Uint16Array.of(1, 65535),
    );
  });

  it("are refused when they cannot be what they say", () => {
    expect(() => decodeColumn({ dtype: "f4", data: base64(Uint8Array.of(1, 2, 3)) })).toThrow(
      "reload",
    );
    expect(() => decodeColumn({ dtype: "f8" as "f4", data: "" })).toThrow("reload");
  });

  it("of rows go as bits, however many", () => {
    const bits = Buffer.from(encodeRows(rowsOf(300_000, [0, 299_999])).bits, "base64");
    expect([bits.length, bits[0], bits[37_499]]).toEqual([37_500, 1, 128]);
  });
});

describe("the wire", () => {
  it("opens a run", async () => {
    const geometry = { dtype: "f4", data: base64(Float32Array.of(1, 2, 3, 4)) };
    const { wire } = python({
      open_run: { run: RUN, geometry, attributes: [], labelPath: null, confidencePath: null },
    });
    const opened = await wire.openRun("patches");
    expect(opened.points).toEqual(Float32Array.of(1, 2, 3, 4));
    expect(opened.dims).toBe(2);
  });

  it("says in every call which run it means", async () => {
    const { wire, asked } = python({
      visible_rows: { mask: { bits: base64(Uint8Array.of(0b101)) } },
      tag: { sentence: "done" },
    });
    const run = wire.of(RUN as never);
    expect(await run.visibleRows(3)).toEqual(Uint8Array.of(1, 0, 1));
    await run.tag(rowsOf(3, [1]), "needs-review", "labels", false);
    for (const [, params] of asked) expect(params).toMatchObject({ key: "patches", run: "6b05" });
    expect(asked[1][1]).toMatchObject({ rows: { bits: base64(Uint8Array.of(2)) }, remove: false });
  });
});
