import { expect, it, vi } from "vitest";
import { UndoStack } from "./useUndo";

it("undoes the newest, and what was undone elsewhere no more", () => {
  const { remember, forget, undo } = new UndoStack();
  const [select, tag, answer] = [vi.fn(), vi.fn(), vi.fn()];
  remember(select);
  remember(tag, "one");
  remember(answer, "two");
  forget("two");
  undo();
  expect(answer).not.toHaveBeenCalled();
  expect(tag).toHaveBeenCalledOnce();
  undo();
  undo();
  expect(select).toHaveBeenCalledOnce();
});
