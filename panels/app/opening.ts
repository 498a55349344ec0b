// Which run Label embeddings shows of each dataset. It is kept here, because the App mounts a panel
// anew when its layout changes, and because other panels open runs too.
const opened = new Map<string, string>();
const listeners = new Set<() => void>();

/** The key of the run that is open, or null. */
export function openedRun(datasetName: string | null): string | null {
  return (datasetName !== null && opened.get(datasetName)) || null;
}

/** Opens a run, or none. */
export function openRun(datasetName: string | null, key: string | null): void {
  if (datasetName === null) return;
  if (key === null) opened.delete(datasetName);
  else opened.set(datasetName, key);
  for (const listener of listeners) listener();
}

/** Calls a function whenever a run is opened, until what it returns is called. */
export function onOpened(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
