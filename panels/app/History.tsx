import {
  Dialog,
  DialogContent,
  DialogContentText,
  DialogTitle,
  LinearProgress,
  List,
  ListItem,
  ListItemText,
} from "@mui/material";
import React, { useCallback, useEffect, useState } from "react";
import { Button } from "./Button";
import { IconButton } from "./Icon";

/** A change of the dataset that can be undone. */
export interface UndoableChange {
  token: string;
  sentence: string;
  by: string;
  /** ISO 8601 */
  at: string;
}

/** How many tags and answers are listed at first, and how many more each time. */
const PAGE = 200;

/** Asks for the changes, the newest first: all of the loop, and of the others so many at most. */
type Ask = (most: number) => Promise<{ changes: UndoableChange[]; more: boolean }>;

/** What was done to the dataset, by whom and when, for as long as it can be undone. */
export function History({
  list,
  onUndo,
}: {
  /** another function asks anew */
  list: Ask;
  /** undoes one, and resolves once that is done or refused */
  onUndo: (token: string) => Promise<unknown>;
}) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <IconButton icon="history" label="What can be undone" onClick={() => setOpen(true)} />
      <Dialog open={open} onClose={() => setOpen(false)} aria-label="What can be undone">
        <DialogTitle>What can be undone</DialogTitle>
        <DialogContent>{open && <Changes list={list} onUndo={onUndo} />}</DialogContent>
      </Dialog>
    </>
  );
}

function Changes({ list, onUndo }: { list: Ask; onUndo: (token: string) => Promise<unknown> }) {
  const [answer, setAnswer] = useState<Awaited<ReturnType<Ask>> | null>(null);
  const [most, setMost] = useState(PAGE);
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const read = useCallback(
    () => list(most).then(setAnswer, (error: Error) => setProblem(error.message)),
    [list, most],
  );
  useEffect(() => {
    read();
  }, [read]);
  const undo = async (token: string) => {
    setBusy(true);
    await onUndo(token);
    await read();
    setBusy(false);
  };
  if (problem) return <DialogContentText role="alert">{problem}</DialogContentText>;
  if (!answer) return <LinearProgress aria-label="Reading what can be undone" />;
  if (answer.changes.length === 0)
    return <DialogContentText>There is nothing to undo in this dataset.</DialogContentText>;
  return (
    <List dense>
      {answer.changes.map(({ token, sentence, by, at }) => (
        <ListItem
          key={token}
          secondaryAction={
            <Button disabled={busy} onClick={() => undo(token)}>
              Undo
            </Button>
          }
        >
          <ListItemText
            sx={{ marginRight: 6 }}
            primary={sentence}
            secondary={`${by}, ${new Date(at).toLocaleString()}`}
          />
        </ListItem>
      ))}
      {answer.more && <Button onClick={() => setMost(most + PAGE)}>Show earlier ones</Button>}
    </List>
  );
}
