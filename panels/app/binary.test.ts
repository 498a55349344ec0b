import { describe, expect, it } from "vitest";
import { type Column, packRows, unpack } from "./binary";

// written by Python's binary.pack, so that neither half can change alone
const FLOATS = "TFZFVAEBAAADAAAAAADAPwAAAMAAAMB/"; // 1.5, -2, NaN
const CODES = "TFZFVAECAAACAAAAAQD//w=="; // 1, 65535
const COUNTS = "TFZFVAEDAAABAAAABwAAAA=="; // 7
const ROWS = "TFZFVAEEAAALAAAAAQQ="; // the first and the last of 11

const changed = (column: string, at: number, byte: number) => {
  const bytes = Buffer.from(column, "base64");
  bytes[at] = byte;
  return bytes.toString("base64") as Column<"f4">;
};

describe("columns", () => {
  it("come as what Python packed", () => {
    expect(unpack(FLOATS, "f4")).toEqual(Float32Array.of(1.5, -2, Number.NaN));
    expect(unpack(CODES, "u2")).toEqual(Uint16Array.of(1, 65535));
    expect(unpack(COUNTS, "u4")).toEqual(Uint32Array.of(7));
    expect(unpack(ROWS, "rows")).toEqual(Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1));
  });

  it("of another version say that the page is to be reloaded", () => {
    expect(() => unpack(changed(FLOATS, 0, 0), "f4")).toThrow("reload the page"); // magic
    expect(() => unpack(changed(FLOATS, 4, 2), "f4")).toThrow("reload the page"); // version
    expect(() => unpack(changed(FLOATS, 8, 4), "f4")).toThrow("reload the page"); // count
    expect(() => unpack(CODES as Column<"f4">, "f4")).toThrow("reload the page"); // kind
    expect(() => unpack("AACAPwAAAEA=", "f4")).toThrow("reload the page"); // from before there was one
    expect(() => unpack("", "f4")).toThrow("reload the page");
  });
});

describe("sets of rows", () => {
  it("go as bits or as numbers, whichever is shorter", () => {
    expect(packRows(Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1))).toBe(ROWS);
    const many = new Uint8Array(300_000).fill(1, 100_000);
    expect(Buffer.from(packRows(many), "base64").length).toBe(12 + 37_500);
    const one = new Uint8Array(300_000);
    one[7] = 1;
    expect(packRows(one)).toBe(COUNTS);
  });

  it("come back as they went", () => {
    for (const length of [0, 1, 7, 8, 9, 1000]) {
      const rows = Uint8Array.from({ length }, (_, row) => Number(row % 3 !== 1));
      expect(unpack(packRows(rows) as Column<"rows">, "rows")).toEqual(rows);
    }
  });
});
