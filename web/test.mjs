// Runs the tests in web/test with Node's own runner; esbuild makes JavaScript of them first.
import { build } from "esbuild";
import { spawnSync } from "node:child_process";
import { readdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const made = join(here, "node_modules", ".tests");
const names = (await readdir(join(here, "test"))).filter((name) => name.endsWith(".test.ts"));

await rm(made, { recursive: true, force: true });
await build({
  absWorkingDir: here,
  entryPoints: names.map((name) => join("test", name)),
  outdir: made,
  outExtension: { ".js": ".mjs" },
  bundle: true,
  format: "esm",
  platform: "node",
  sourcemap: "inline",
  logLevel: "warning",
});
const done = spawnSync(process.execPath, ["--enable-source-maps", "--test", made], { stdio: ["ignore", "pipe", "inherit"] });
if (done.status) process.stdout.write(done.stdout);
process.exit(done.status ?? 1);
