/** A key, what it does in a few words, and the action. */
export interface Shortcut {
  key: string;
  does: string;
  run: () => void;
  /** whether it is done again and again while the key is held */
  repeats?: boolean;
}

/** The name that shortcuts have for the key that was pressed, "" where it is none of theirs. */
export function keyName(event: KeyboardEvent): string {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") return "z";
  if (event.altKey || event.ctrlKey || event.metaKey) return "";
  if (event.shiftKey && event.key.startsWith("Arrow")) return `Shift+${event.key}`;
  return event.key === "Escape" ? "Esc" : event.key;
}

/** Whether keys pressed on an element are typed into it. */
export function isTyping(element: HTMLElement): boolean {
  if (element instanceof HTMLInputElement) return !["checkbox", "range"].includes(element.type);
  return element.isContentEditable || /^(TEXTAREA|SELECT)$/.test(element.tagName);
}

/** Whether a page may take the focus: it is nowhere, or in the page already. */
export function mayTakeFocus(page: Element | null, focused: Element | null): boolean {
  return focused === null || focused.tagName === "BODY" || Boolean(page?.contains(focused));
}
