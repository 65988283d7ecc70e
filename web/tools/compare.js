// Compares two directories of built files: node tools/compare.js COMMITTED BUILT

import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { argv, exit, stderr } from "node:process";
import { brotliDecompressSync, gunzipSync } from "node:zlib";

const [committed = "", built = ""] = argv.slice(2);
const names = new Set([...readdirSync(committed), ...readdirSync(built)]);

/** Returns a file's content. Compressed files may differ between versions of zlib, but not in what they contain. */
function content(directory, name) {
  const bytes = readFileSync(join(directory, name));
  if (name.endsWith(".gz")) return gunzipSync(bytes);
  return name.endsWith(".br") ? brotliDecompressSync(bytes) : bytes;
}

/** Returns whether both directories have the same file, and its compressed forms the same content. */
function same(name) {
  try {
    const text = content(committed, name);
    return text.equals(content(built, name)) && text.equals(content(committed, name.replace(/\.br$/, ".gz")));
  } catch {
    return false;
  }
}

const different = [...names].sort().filter((name) => !same(name));
if (different.length > 0) {
  stderr.write(`The built files are not those of the source; run make web.\n${different.join("\n")}\n`);
  exit(1);
}
