import { describe, expect, it } from "vitest";
import { mayTakeFocus } from "./shortcuts";

/** As much of an element as the focus is asked for. */
function element(tagName: string, ...inside: Element[]): Element {
  const contains = (other: unknown) => inside.includes(other as Element);
  return { tagName, contains } as unknown as Element;
}

describe("the focus", () => {
  const button = element("BUTTON");
  const page = element("SECTION", button);
  it("is taken where it is nowhere or in the page", () => {
    expect(mayTakeFocus(page, null)).toBe(true);
    expect(mayTakeFocus(page, element("BODY"))).toBe(true);
    expect(mayTakeFocus(page, button)).toBe(true);
  });
  it("is left to whoever is at work elsewhere", () => {
    expect(mayTakeFocus(page, element("INPUT"))).toBe(false);
    expect(mayTakeFocus(null, element("INPUT"))).toBe(false);
  });
});
