import * as fos from "@fiftyone/state";
import { useMemo } from "react";
import { useRecoilValue } from "recoil";
import { categoryColors, parseColor, type RGB } from "../colors";
import type { ColorColumn } from "../wire";

/**
 * The color of each category of a column. Where the App colors by value, or a value was given a
 * color of its own, it is the App's; elsewhere the distinct palette, largest category first.
 */
export function useCategoryColors(column: ColorColumn | null, counts: Uint32Array | null): RGB[] {
  const scheme = useRecoilValue(fos.colorScheme);
  const appColor = useRecoilValue(fos.colorMap);
  return useMemo(() => {
    if (column?.kind !== "categorical" || counts === null) return [];
    const colors =
      scheme.colorBy === "value"
        ? column.categories.map((category) => parseColor(appColor(category)))
        : categoryColors(counts);
    const own = scheme.fields?.find(
      ({ path }) => column.path === path || column.path.startsWith(`${path}.`),
    )?.valueColors;
    for (const { value, color } of own ?? []) {
      const index = column.categories.indexOf(value);
      if (index >= 0) colors[index] = parseColor(color);
    }
    return colors;
  }, [column, counts, scheme, appColor]);
}
