// Images that somebody chooses, drops or pastes.

/** The first file among what was dropped or pasted, null where there is none. */
export function fileOf(transfer: DataTransfer | null): File | null {
  return transfer?.files[0] ?? null;
}

/** Whether files are dragged, rather than what is in the page. */
export function hasFiles(transfer: DataTransfer | null): boolean {
  return Boolean(transfer?.types.includes("Files"));
}

/** Why a file is not sent to Python, null where it is; whether it is an image, Python sees. */
export function refusal(file: Blob, mostBytes: number): string | null {
  if (file.size === 0) return "The file is empty: choose an image.";
  if (file.size > mostBytes)
    return (
      `The file has ${Math.ceil(file.size / 1e6).toLocaleString("en")} MB, and an image can have ` +
      `${Math.floor(mostBytes / 1e6)} MB at most: make it smaller.`
    );
  return null;
}
