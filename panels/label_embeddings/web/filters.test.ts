import { describe, expect, it } from "vitest";
import {
  filterHiding,
  filterRange,
  hiddenCategories,
  isolateCategory,
  rangeOf,
  rowsNotHidden,
  rowsPassing,
  toggleCategory,
  withFilter,
} from "./filters";
import { indicesOf } from "./rows";
import type { ColorColumn } from "./wire";

const CLASSES = ["bus", "car", "truck"];
const column: ColorColumn = {
  path: "predictions.detections.label",
  kind: "categorical",
  codes: Uint16Array.of(0, 1, 2, 3, 2),
  categories: CLASSES,
};

describe("the legend and the sidebar's filter", () => {
  it.each([[[]], [["car"]], [["bus", "car"]], [["bus", "car", "truck"]]])(
    "hiding %j comes back from the filter that it makes",
    (names) => {
      const hidden = new Set<string>(names);
      const filter = filterHiding(hidden, CLASSES, "categorical");
      expect(hiddenCategories(filter ?? undefined, CLASSES)).toEqual(hidden);
    },
  );

  it.each([[["True"]], [["False"]], [["True", "False"]]])("booleans too: %j", (names) => {
    const hidden = new Set<string>(names);
    const filter = filterHiding(hidden, ["False", "True"], "boolean");
    expect(filter).toMatchObject({ true: !hidden.has("True"), false: !hidden.has("False") });
    expect(hiddenCategories(filter ?? undefined, ["False", "True"])).toEqual(hidden);
  });

  it("reads what was set in the sidebar", () => {
    expect(hiddenCategories({ values: ["car"], exclude: false }, CLASSES)).toEqual(
      new Set(["bus", "truck"]),
    );
    expect(hiddenCategories({ values: ["car"], exclude: true }, CLASSES)).toEqual(new Set(["car"]));
    expect(hiddenCategories({ values: [] }, CLASSES).size).toBe(0);
  });

  it("toggles, and isolates after two toggles, as a double click sends them", () => {
    const twice = toggleCategory(toggleCategory(new Set(), "car"), "car");
    expect(twice.size).toBe(0);
    const alone = isolateCategory(twice, "car", CLASSES);
    expect(alone).toEqual(new Set(["bus", "truck"]));
    expect(isolateCategory(alone, "car", CLASSES).size).toBe(0);
  });
});

describe("ranges", () => {
  it("make no filter where they are all there is", () => {
    expect(filterRange([0.1, 0.9], [0.1, 0.9])).toBeNull();
    const filter = filterRange([0.2, 0.9], [0.1, 0.9]);
    expect(rangeOf(filter ?? undefined, [0.1, 0.9])).toEqual([0.2, 0.9]);
    expect(rangeOf({ range: [null, 0.5] }, [0.1, 0.9])).toEqual([0.1, 0.5]);
  });

  it("keep the outermost values, which the database has in 64 bits", () => {
    for (const [least, most] of [
      [0.2002, 0.9953],
      [-7.3, -1e-9],
      [0, 1],
    ]) {
      const span: [number, number] = [Math.fround(least), Math.fround(most)];
      const middle = (least + most) / 2;
      const upper = filterRange([middle, span[1]], span) as { range: [number, number] };
      expect(upper.range[0]).toBe(middle);
      expect(upper.range[1]).toBeGreaterThanOrEqual(most);
      expect(rangeOf(upper, span)).toEqual([middle, span[1]]);
      const lower = filterRange([span[0], middle], span) as { range: [number, number] };
      expect(lower.range[0]).toBeLessThanOrEqual(least);
      expect(rangeOf(lower, span)).toEqual([span[0], middle]);
    }
  });
});

describe("rows that pass", () => {
  it("a list of classes; what has none passes exclusions only", () => {
    expect(indicesOf(rowsPassing(column, { values: ["car"] }) ?? [])).toEqual([2, 4]);
    expect(indicesOf(rowsPassing(column, { values: ["car"], exclude: true }) ?? [])).toEqual([
      0, 1, 3,
    ]);
    expect(rowsPassing(column, undefined)).toBeNull();
  });

  it("what is hidden in the map alone leaves what has no class", () => {
    expect(indicesOf(rowsNotHidden(column, new Set(["car", "bus"])) ?? [])).toEqual([0, 3]);
    expect(rowsNotHidden(column, new Set())).toBeNull();
  });

  it("a range", () => {
    const values = Float32Array.of(0.1, 0.5, Number.NaN, 0.9);
    const confidences: ColorColumn = { path: "confidence", kind: "continuous", values };
    const filter = filterRange([0.4, 0.95], [0, 1]) ?? undefined;
    expect(indicesOf(rowsPassing(confidences, filter) ?? [])).toEqual([1, 3]);
    expect(indicesOf(rowsPassing(confidences, { range: [0.4, null] }) ?? [])).toEqual([1, 2, 3]);
  });
});

describe("the filters of the sidebar", () => {
  it("keep what is not ours", () => {
    const filters = { tags: { values: ["a"] } };
    const more = withFilter(filters, "label", { values: ["b"] });
    expect(more).toEqual({ tags: { values: ["a"] }, label: { values: ["b"] } });
    expect(withFilter(more, "label", null)).toEqual(filters);
  });
});
