import { useState } from "react";

const DEPTH = 50;

/** What was done, newest last, so that the same key undoes selections and tags alike. */
export class UndoStack {
  private done: { undo: () => void; token: string | null }[] = [];

  /** @param token of the change, where it is one of the dataset */
  remember = (undo: () => void, token: string | null = null): void => {
    this.done = [...this.done.slice(1 - DEPTH), { undo, token }];
  };

  /** Drops a change of the dataset that was undone elsewhere. */
  forget = (token: string): void => {
    this.done = this.done.filter((change) => change.token !== token);
  };

  undo = (): void => this.done.pop()?.undo();
}

export type Remember = UndoStack["remember"];

/** What was done on a page. */
export function useUndo(): UndoStack {
  return useState(() => new UndoStack())[0];
}
