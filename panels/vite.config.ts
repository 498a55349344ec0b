import { resolve } from "node:path";
import { defineConfig } from "vitest/config";

// What the App offers as globals, so that the bundle holds only what is ours.
const GLOBALS: Record<string, string> = {
  react: "React",
  recoil: "recoil",
  three: "__three__",
  "@mui/material": "__mui__",
  "@fiftyone/operators": "__foo__",
  "@fiftyone/plugins": "__fop__",
  "@fiftyone/state": "__fos__",
};

export default defineConfig({
  define: { "process.env.NODE_ENV": JSON.stringify("production") },
  // the App has no jsx-runtime
  oxc: { jsx: { runtime: "classic" } },
  build: {
    outDir: process.env.LABELVET_BUNDLE_DIR ?? resolve(import.meta.dirname, "../dist"),
    emptyOutDir: true,
    lib: {
      entry: resolve(import.meta.dirname, "index.ts"),
      name: "labelvet",
      formats: ["umd"],
      fileName: () => "index.umd.js",
    },
    rolldownOptions: {
      external: Object.keys(GLOBALS),
      output: { globals: GLOBALS },
    },
  },
  test: { include: ["app/**/*.test.ts", "*/web/**/*.test.ts"], environment: "node" },
});
