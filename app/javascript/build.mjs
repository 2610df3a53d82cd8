/**
 * Bundles the dashboard's JavaScript into `dist/`, which is committed: Python serves these files, and neither an
 * installation nor a run needs Node.js.
 *
 *     node app/javascript/build.mjs            writes the bundles
 *     node app/javascript/build.mjs --check    exits with 1 if a committed bundle differs from its sources
 */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const FOLDER = path.dirname(fileURLToPath(import.meta.url));
const CHECK = process.argv.includes("--check");

const { outputFiles } = await build({
  absWorkingDir: FOLDER,
  entryPoints: {
    log_viewer: "log_viewer/index.js",
    log_viewer_loader: "log_viewer_loader/index.js",
    navigation: "navigation/index.js",
    palette: "palette/index.js",
    session_reload: "session_reload/index.js",
    theme: "theme/index.js",
  },
  outdir: "dist",
  bundle: true,
  format: "esm",
  target: "es2022",
  charset: "utf8",
  loader: { ".css": "text" },
  banner: { js: "// Built by `npm run build` from app/javascript; edit the sources, not this file." },
  logLevel: "warning",
  write: !CHECK,
});

if (CHECK) {
  const outdated = [];
  for (const file of outputFiles ?? []) {
    const committed = await readFile(file.path, "utf8").catch(() => null);
    if (committed !== file.text) outdated.push(path.relative(process.cwd(), file.path));
  }
  for (const name of outdated) console.error(`${name} differs from its sources: run \`npm ci && npm run build\`.`);
  if (outdated.length > 0) process.exitCode = 1;
  else console.log("JavaScript: the committed bundles equal a fresh build.");
}
