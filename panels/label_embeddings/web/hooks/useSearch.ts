import { type ClipboardEvent, type DragEvent, useEffect, useRef, useState } from "react";
import { isTyping, type Shortcut } from "../../../app/shortcuts";
import type { Report } from "../../../app/useReport";
import { fileOf, hasFiles, refusal } from "../images";
import type { RunWire, Searches, Similar } from "../wire";
import type { LabelSelection } from "./useSelection";

/**
 * The search for the patches that are nearest to what words say, or to an image: chosen, dropped on
 * the page or pasted. The first one waits until Python has loaded the backbone of the run.
 *
 * @returns beside the gestures, what the run `can` be searched by, null while that is not known; and
 *   `frame`, which goes to the page's outermost element
 */
export function useSearch(wire: RunWire, selection: LabelSelection, report: Report) {
  const [can, setCan] = useState<Searches | null>(null);
  const [doing, setDoing] = useState<string | null>(null);
  const [words, setWords] = useState("");
  const loaded = useRef(false);
  const asked = useRef(0);
  const picker = useRef<HTMLInputElement>(null);
  const wordsRef = useRef<HTMLInputElement>(null);

  useEffect(() => {
    let current = true;
    wire.searches().then(
      (found) => current && setCan(found),
      // it is not offered then, and says why where it is asked for
      () => undefined,
    );
    return () => {
      current = false;
    };
  }, [wire]);

  const search = (find: (count: number) => Promise<Similar>) => {
    const turn = ++asked.current;
    const say = (what: string | null) => turn === asked.current && setDoing(what);
    selection.selectNearest(async (count, wanted) => {
      try {
        if (!loaded.current) {
          say("loading the model…");
          await wire.loadBackbone();
          loaded.current = true;
        }
        if (!wanted()) return null;
        say("searching…");
        return await find(count);
      } finally {
        say(null);
      }
    });
  };
  const byImage = (file: File) => {
    const problem = can && refusal(file, can.mostBytes);
    if (problem) report.fail(problem);
    else search((count) => wire.similarToImage(file, count));
  };
  const byWords = () => {
    const said = words.trim();
    if (said) search((count) => wire.similarToWords(said, count));
  };
  /** forgets the words, and what they selected */
  const clear = () => {
    setWords("");
    if (doing || selection.nearest.length) selection.clear();
  };
  const pickImage = () => picker.current?.click();

  const frame = {
    onPaste: (event: ClipboardEvent) => {
      // a program may copy a picture of the text that is pasted into a field
      const asText = event.clipboardData.types.includes("text/plain");
      if (asText && isTyping(event.target as HTMLElement)) return;
      const file = fileOf(event.clipboardData);
      if (file) byImage(file);
    },
    onDragOver: (event: DragEvent) => {
      if (hasFiles(event.dataTransfer)) event.preventDefault();
    },
    onDrop: (event: DragEvent) => {
      const file = fileOf(event.dataTransfer);
      if (!file) return;
      event.preventDefault();
      byImage(file);
    },
  };
  const keys: Shortcut[] = [];
  if (can?.words)
    keys.push({ key: "w", does: "Search by words", run: () => wordsRef.current?.select() });
  if (can?.images)
    keys.push({ key: "g", does: "Search by an image (or drop or paste one)", run: pickImage });
  const boxes = { words, setWords, byWords, clear, wordsRef, byImage, pickImage, picker };
  return { can, doing, ...boxes, frame, keys };
}

export type Search = ReturnType<typeof useSearch>;
