import { type KeyboardEvent, useCallback, useRef } from "react";

/** A key, what it does in a few words, and the action. */
export interface Shortcut {
  key: string;
  does: string;
  run: () => void;
}

/** Returns the handler of keys pressed in the panel; keys typed into a field are left alone. */
export function useShortcuts(shortcuts: Shortcut[]) {
  const latest = useRef(shortcuts);
  latest.current = shortcuts;
  return useCallback((event: KeyboardEvent) => {
    if (event.altKey || isTyping(event.target as HTMLElement)) return;
    const pressed = keyName(event);
    const shortcut = latest.current.find(({ key }) => key === pressed);
    if (!shortcut) return;
    // the App has keys of its own
    event.preventDefault();
    event.stopPropagation();
    shortcut.run();
  }, []);
}

function isTyping(target: HTMLElement): boolean {
  if (target instanceof HTMLInputElement) return !["checkbox", "range"].includes(target.type);
  return target.isContentEditable || /^(TEXTAREA|SELECT)$/.test(target.tagName);
}

function keyName(event: KeyboardEvent): string {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") return "z";
  if (event.ctrlKey || event.metaKey) return "";
  return event.key === "Escape" ? "Esc" : event.key;
}
