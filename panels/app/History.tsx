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

/** What was done to the dataset, by whom and when, for as long as it can be undone. */
export function History({
  list,
  onUndo,
}: {
  /** asks for the changes, the newest first; another function asks anew */
  list: () => Promise<UndoableChange[]>;
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

function Changes({
  list,
  onUndo,
}: {
  list: () => Promise<UndoableChange[]>;
  onUndo: (token: string) => Promise<unknown>;
}) {
  const [changes, setChanges] = useState<UndoableChange[] | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const read = useCallback(
    () => list().then(setChanges, (error: Error) => setProblem(error.message)),
    [list],
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
  if (!changes) return <LinearProgress aria-label="Reading what can be undone" />;
  if (changes.length === 0)
    return <DialogContentText>There is nothing to undo in this dataset.</DialogContentText>;
  return (
    <List dense>
      {changes.map(({ token, sentence, by, at }) => (
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
    </List>
  );
}
