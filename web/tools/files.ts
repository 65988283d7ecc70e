/** Plugins of the build: licences of what is bundled, and compressed copies of all files. */

import { readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

import type { Plugin } from "vite";

/** Returns the directory of the package that a module belongs to, null for our own modules. */
function packageOf(module: string): string | null {
  return /^\0?(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(module)?.[1] ?? null;
}

/** Returns name, version and licence text of a package. */
function notice(directory: string): string {
  const manifest = JSON.parse(readFileSync(join(directory, "package.json"), "utf8")) as {
    name: string;
    version: string;
    license: string;
  };
  const file = readdirSync(directory)
    .filter((name) => /^licen[cs]e/i.test(name))
    .sort()[0];
  if (file === undefined) throw new Error(`${manifest.name} has no licence file`);
  const text = readFileSync(join(directory, file), "utf8").trim();
  return `${manifest.name} ${manifest.version} (${manifest.license})\n\n${text}\n`;
}

/** Emits one file with the licences of all packages in the bundle, and links it from the page. */
export function licences(): Plugin {
  let name = "";
  return {
    name: "licences",
    apply: "build",
    generateBundle(_, bundle) {
      const directories = new Set<string>();
      for (const chunk of Object.values(bundle)) {
        if (chunk.type !== "chunk") continue;
        for (const module of Object.keys(chunk.modules)) {
          const directory = packageOf(module);
          if (directory !== null) directories.add(directory);
        }
      }
      const notices = [...directories].sort().map(notice);
      const source = `The page contains these packages.\n\n${notices.join(`\n${"-".repeat(78)}\n\n`)}`;
      name = this.getFileName(this.emitFile({ type: "asset", name: "licences.txt", source }));
    },
    transformIndexHtml: {
      order: "post",
      handler: (_, context) =>
        context.bundle === undefined
          ? []
          : [{ tag: "link", attrs: { rel: "license", href: `ui/static/${name}` }, injectTo: "head" }],
    },
  };
}

/** Replaces each file by its compressed forms `.gz` and `.br`: the gateway knows the file from the first. */
export function compressed(): Plugin {
  return {
    name: "compressed",
    apply: "build",
    writeBundle(options, bundle) {
      for (const file of Object.keys(bundle)) {
        const path = join(options.dir ?? "", file);
        const content = readFileSync(path);
        writeFileSync(`${path}.gz`, gzipSync(content, { level: 9 }));
        const parameters = { [constants.BROTLI_PARAM_SIZE_HINT]: content.length };
        writeFileSync(`${path}.br`, brotliCompressSync(content, { params: parameters }));
        rmSync(path);
      }
    },
  };
}
