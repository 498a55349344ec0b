import { debounce } from "@mui/material";

/**
 * What is done at once when it is asked for, and of what is asked for in a row after that only once
 * more, when the row has ended.
 *
 * @param pause the milliseconds that end a row
 */
export function coalesced(act: () => void, pause: number): () => void {
  const later = debounce(act, pause);
  let last = Number.NEGATIVE_INFINITY;
  return () => {
    const now = Date.now();
    if (now - last < pause) later();
    else act();
    last = now;
  };
}
