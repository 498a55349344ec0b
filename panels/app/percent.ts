/** A part in percent, which is none or all only where it is exactly that. */
export function percent(part: number, digits = 0): string {
  const [value, least] = [100 * part, 10 ** -digits];
  if (value <= 0 || value >= 100) return value > 0 ? "100%" : "0%";
  if (value > 100 - least) return `over ${(100 - least).toFixed(digits)}%`;
  return value < least ? `under ${least.toFixed(digits)}%` : `${value.toFixed(digits)}%`;
}
