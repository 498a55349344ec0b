// The colors of points: one RGB triple a row, from a column and a palette.
import type { ColorColumn } from "./wire";

export type RGB = [number, number, number];

/**
 * Twenty-one colors that people with any kind of color vision can tell apart as well as so many can
 * be: Okabe and Ito's "Color Universal Design" (2008) first, then Paul Tol's "bright", "light" and
 * "muted" schemes (2021) as far as they differ from those.
 */
export const DISTINCT: readonly string[] = (
  "#e69f00 #56b4e9 #009e73 #f0e442 #0072b2 #d55e00 #cc79a7 " +
  "#aa3377 #bbcc33 #77aadd #ee8866 #ffaabb #44bb99 #aaaa00 " +
  "#99ddff #882255 #117733 #ddcc77 #332288 #999933 #661100"
).split(" ");

/** Samples of the color map "cividis" (Nuñez et al., 2018), made for deficient color vision too. */
const CIVIDIS: readonly RGB[] = [
  [0, 34, 78],
  [18, 53, 112],
  [59, 73, 108],
  [87, 93, 109],
  [112, 113, 115],
  [138, 134, 120],
  [165, 157, 117],
  [195, 181, 107],
  [225, 205, 90],
  [254, 232, 56],
];

export const MISSING: RGB = [110, 110, 110];

/** Reads a color in any notation of CSS, `MISSING` where it is none. */
export function parseColor(color: string): RGB {
  const hex = /^#([0-9a-f]{6})$/i.exec(color)?.[1] ?? shortHex(color);
  if (hex) {
    const value = Number.parseInt(hex, 16);
    return [value >> 16, (value >> 8) & 255, value & 255];
  }
  const parts = /^rgba?\(\s*(\d+)[ ,]+(\d+)[ ,]+(\d+)/.exec(color);
  if (parts) return [Number(parts[1]), Number(parts[2]), Number(parts[3])];
  return hslColor(color) ?? cssColor(color) ?? MISSING;
}

/** The color of `value` in a span, as a sequential map that is also light to dark. */
export function rampColor(value: number, [least, most]: [number, number]): RGB {
  if (Number.isNaN(value)) return MISSING;
  const share = most > least ? Math.min(1, Math.max(0, (value - least) / (most - least))) : 1;
  const at = share * (CIVIDIS.length - 1);
  const below = Math.min(CIVIDIS.length - 2, Math.floor(at));
  const rest = at - below;
  return [0, 1, 2].map((channel) =>
    Math.round(CIVIDIS[below][channel] * (1 - rest) + CIVIDIS[below + 1][channel] * rest),
  ) as RGB;
}

/** A CSS gradient of the same map, from left to right. */
export function rampGradient(): string {
  return `linear-gradient(to right, ${CIVIDIS.map((rgb) => `rgb(${rgb.join(",")})`).join(", ")})`;
}

/**
 * Returns the color of each category: the distinct palette goes to the largest first, and begins
 * again, darker, where there are more categories than colors.
 */
export function categoryColors(counts: ArrayLike<number>): RGB[] {
  const bySize = Array.from(counts, (count, code) => ({ count, code }))
    .slice(1)
    .sort((a, b) => b.count - a.count || a.code - b.code);
  const colors: RGB[] = new Array(bySize.length);
  bySize.forEach(({ code }, rank) => {
    const shade = 0.72 ** Math.floor(rank / DISTINCT.length);
    const color = parseColor(DISTINCT[rank % DISTINCT.length]);
    colors[code - 1] = color.map((channel) => Math.round(channel * Math.max(0.35, shade))) as RGB;
  });
  return colors;
}

/**
 * Paints the rows of a column into the RGB bytes of `target`, (n * 4), leaving the fourth alone.
 *
 * @param palette the color of each category, for a categorical column
 * @param span what the color map spans, for a continuous one
 */
export function paintRows(
  target: Uint8Array,
  column: ColorColumn | null,
  palette: RGB[],
  span: [number, number],
): void {
  const length = target.length / 4;
  if (column === null || column.kind === "categorical") {
    const plain = palette[0] ?? MISSING;
    const colors = [column === null ? plain : MISSING, ...palette];
    for (let row = 0; row < length; row++) {
      const color = column === null ? plain : colors[column.codes[row]];
      target[row * 4] = color[0];
      target[row * 4 + 1] = color[1];
      target[row * 4 + 2] = color[2];
    }
    return;
  }
  // computed once for 256 steps: a million rows read them from the table
  const STEPS = 256;
  const table = Array.from({ length: STEPS }, (_, i) => rampColor(i / (STEPS - 1), [0, 1]));
  const scale = span[1] > span[0] ? (STEPS - 1) / (span[1] - span[0]) : 0;
  for (let row = 0; row < length; row++) {
    const value = column.values[row];
    const step = scale
      ? Math.min(STEPS - 1, Math.max(0, Math.round((value - span[0]) * scale)))
      : 255;
    const color = Number.isNaN(value) ? MISSING : table[step];
    target[row * 4] = color[0];
    target[row * 4 + 1] = color[1];
    target[row * 4 + 2] = color[2];
  }
}

function shortHex(color: string): string | undefined {
  const digits = /^#([0-9a-f])([0-9a-f])([0-9a-f])$/i.exec(color)?.slice(1);
  return digits?.map((digit) => digit + digit).join("");
}

/** Asks the browser about a color that has a name, or a rarer notation. */
function cssColor(color: string): RGB | null {
  const canvas = globalThis.document?.createElement("canvas");
  if (!canvas || !CSS.supports("color", color)) return null;
  canvas.width = canvas.height = 1;
  const context = canvas.getContext("2d", { colorSpace: "srgb" });
  if (!context) return null;
  context.fillStyle = color;
  context.fillRect(0, 0, 1, 1);
  const [red, green, blue] = context.getImageData(0, 0, 1, 1).data;
  return [red, green, blue];
}

function hslColor(color: string): RGB | null {
  const parts = /^hsla?\(\s*([\d.]+)(?:deg)?[ ,]+([\d.]+)%[ ,]+([\d.]+)%/.exec(color);
  if (!parts) return null;
  const [hue, saturation, lightness] = [
    Number(parts[1]),
    Number(parts[2]) / 100,
    Number(parts[3]) / 100,
  ];
  const channel = (n: number) => {
    const k = (n + hue / 30) % 12;
    const amplitude = saturation * Math.min(lightness, 1 - lightness);
    return Math.round(255 * (lightness - amplitude * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
  };
  return [channel(0), channel(8), channel(4)];
}
