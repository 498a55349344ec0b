import React, { useCallback, useEffect, useRef, useState } from "react";
import { KeyList } from "./KeyList";
import { isTyping, keyName, mayTakeFocus, type Shortcut } from "./shortcuts";

// what the App lays over everything: it has keys of its own, and hands the focus back when it goes
const LAID_OVER = '.MuiModal-root:not(.MuiModal-hidden), [role="dialog"], [data-cy="modal"]';

/**
 * The keys of a page of a panel, and the list of them that "?" opens.
 *
 * Keys belong to the page while the focus is in it, and while it is nowhere after it was in the
 * page: a button that had it may go with what was done, and a dialog that closes leaves it behind.
 * What is typed into a field is left alone.
 *
 * @param hasMap whether labels are selected on a map there
 * @returns `frame` goes to the page's outermost element, `keyList` into the page; `focus` gives it
 *   the focus, unless somebody is at work elsewhere
 */
export function useKeys(shortcuts: Shortcut[], hasMap = false) {
  const root = useRef<HTMLElement>(null);
  const [listing, setListing] = useState(false);
  const toggleList = useCallback(() => setListing((was) => !was), []);
  const take = useCallback(() => root.current?.focus({ preventScroll: true }), []);
  const focus = useCallback(() => {
    if (mayTakeFocus(root.current, document.activeElement)) take();
  }, [take]);
  const all = [...shortcuts, { key: "?", does: "Show these keys", run: toggleList }];
  const latest = useRef(all);
  latest.current = all;

  // a page that was opened has the keys, but for somebody who is typing
  useEffect(() => {
    const { activeElement } = document;
    if (!(activeElement instanceof HTMLElement && isTyping(activeElement))) take();
  }, [take]);

  useEffect(() => {
    let ours = false;
    const follow = ({ target }: Event) => {
      const element = target as Element;
      if (root.current?.contains(element)) ours = true;
      else if (!element.closest?.(LAID_OVER)) ours = false;
    };
    const press = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      const nowhere = target === document.body && ours && !document.querySelector(LAID_OVER);
      if (!nowhere && !root.current?.contains(target)) return;
      if (isTyping(target)) return;
      const pressed = keyName(event);
      const shortcut = latest.current.find(({ key }) => key === pressed);
      if (!shortcut) return;
      // the App has keys of its own
      event.preventDefault();
      event.stopPropagation();
      if (nowhere) take();
      if (!event.repeat || shortcut.repeats) shortcut.run();
    };
    document.addEventListener("focusin", follow, true);
    document.addEventListener("pointerdown", follow, true);
    document.addEventListener("keydown", press, true);
    return () => {
      document.removeEventListener("focusin", follow, true);
      document.removeEventListener("pointerdown", follow, true);
      document.removeEventListener("keydown", press, true);
    };
  }, [take]);

  return {
    frame: { ref: root, tabIndex: 0 },
    focus,
    listing,
    toggleList,
    keyList: <KeyList open={listing} shortcuts={all} hasMap={hasMap} onClose={toggleList} />,
  };
}

export type Keys = ReturnType<typeof useKeys>;
