// Columns and sets of rows as they travel between Python and the browser, in base64. This module and
// core/packed.py alone know the format: 12 bytes of header, then the values, little-endian. The header is
// the magic "LVET", the version (1 byte), the kind (1 byte), two bytes of zero, and the number of
// values (4 bytes).

const MAGIC = 0x5445564c; // "LVET", little-endian
const VERSION = 1;
const HEADER = 12;

interface Arrays {
  f4: Float32Array;
  u2: Uint16Array;
  u4: Uint32Array;
  /** a byte for each row, 1 for those in the set; one bit on the way */
  rows: Uint8Array;
}
type Kind = keyof Arrays;

const KINDS: Record<Kind, number> = { f4: 1, u2: 2, u4: 3, rows: 4 };
const TYPES = { f4: Float32Array, u2: Uint16Array, u4: Uint32Array } as const;

/** A packed column of one of some kinds. */
export type Column<K extends Kind> = string & { readonly kind?: K };

/** The content of a file. */
export type FileContent = string & { readonly kind?: "file" };

/** What Python sent, or the browser has, is of another version. */
export const OTHER_VERSION =
  "This page and the App's server have different versions of labelvet: reload the page, and if " +
  "that does not help, restart the App.";

/** Unpacks a column of the kind that is expected. */
export function unpack<K extends Kind>(column: Column<K>, kind: K): Arrays[K] {
  const bytes = fromBase64(column);
  const head = bytes.length < HEADER ? null : new DataView(bytes.buffer);
  if (head?.getUint32(0, true) !== MAGIC || head.getUint8(4) !== VERSION)
    throw new Error(OTHER_VERSION);
  const count = head.getUint32(8, true);
  const numbers = kind === "rows" ? null : TYPES[kind as Exclude<Kind, "rows">];
  const size = numbers === null ? Math.ceil(count / 8) : count * numbers.BYTES_PER_ELEMENT;
  if (head.getUint8(5) !== KINDS[kind] || bytes.length !== HEADER + size)
    throw new Error(OTHER_VERSION);
  const values =
    numbers === null
      ? unpackBits(bytes.subarray(HEADER), count)
      : new numbers(bytes.buffer, HEADER, count);
  return values as Arrays[K];
}

/** Packs a set of rows: as bits, or, where that is shorter, as the numbers of those in it. */
export function packRows(rows: Uint8Array): Column<"rows" | "u4"> {
  let count = 0;
  for (let i = 0; i < rows.length; i++) count += rows[i];
  if (count * 32 >= rows.length) return pack("rows", rows.length, packBits(rows));
  const numbers = new Uint32Array(count);
  for (let i = 0, at = 0; at < count; i++) if (rows[i]) numbers[at++] = i;
  return pack("u4", count, new Uint8Array(numbers.buffer));
}

/** Packs the content of a file. */
export async function packFile(file: Blob): Promise<FileContent> {
  return toBase64(new Uint8Array(await file.arrayBuffer()));
}

function pack<K extends Kind>(kind: K, count: number, values: Uint8Array): Column<K> {
  const bytes = new Uint8Array(HEADER + values.length);
  const head = new DataView(bytes.buffer);
  head.setUint32(0, MAGIC, true);
  head.setUint8(4, VERSION);
  head.setUint8(5, KINDS[kind]);
  head.setUint32(8, count, true);
  bytes.set(values, HEADER);
  return toBase64(bytes);
}

/** Packs eight rows a byte, the first in the lowest bit. */
function packBits(rows: Uint8Array): Uint8Array {
  const bits = new Uint8Array(Math.ceil(rows.length / 8));
  for (let i = 0; i < rows.length; i++) if (rows[i]) bits[i >> 3] |= 1 << (i & 7);
  return bits;
}

function unpackBits(bits: Uint8Array, length: number): Uint8Array {
  const rows = new Uint8Array(length);
  for (let i = 0; i < length; i++) rows[i] = (bits[i >> 3] >> (i & 7)) & 1;
  return rows;
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

function toBase64(bytes: Uint8Array): string {
  const CHUNK = 0x8000; // more arguments than this overflow the stack
  let binary = "";
  for (let start = 0; start < bytes.length; start += CHUNK)
    binary += String.fromCharCode(...bytes.subarray(start, start + CHUNK));
  return btoa(binary);
}
