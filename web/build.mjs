// Builds the page into the Python package. With --check it writes nothing and fails where the package holds another build.
import { build } from "esbuild";
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const here = dirname(fileURLToPath(import.meta.url));
const target = join(here, "..", "layers", "spanlake", "api", "static");
const LARGEST = 350 * 1024; // bytes of all files, compressed with gzip

async function built() {
  const result = await build({
    absWorkingDir: here,
    entryPoints: { app: "src/main.tsx" },
    outdir: "assets",
    bundle: true,
    splitting: true,
    format: "esm",
    target: "es2022",
    minify: true,
    metafile: true,
    write: false,
    entryNames: "[name]-[hash]",
    chunkNames: "[name]-[hash]",
    jsx: "automatic",
    jsxImportSource: "preact",
    legalComments: "none",
    logLevel: "warning",
  });
  const files = new Map(result.outputFiles.map((file) => [`assets/${basename(file.path)}`, Buffer.from(file.contents)]));
  const named = (end) => [...files.keys()].find((name) => name.startsWith("assets/app-") && name.endsWith(end));
  const page = await readFile(join(here, "src", "index.html"), "utf8");
  files.set("index.html", Buffer.from(page.replace("{{script}}", named(".js")).replace("{{style}}", named(".css"))));
  files.set("LICENSES.txt", Buffer.from(await licenses(Object.keys(result.metafile.inputs))));
  return files;
}

async function licenses(inputs) {
  const packages = new Set();
  for (const input of inputs) {
    const found = /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input);
    if (found) packages.add(found[1]);
  }
  const texts = await Promise.all([...packages].sort().map(license));
  return texts.join(`\n${"-".repeat(80)}\n\n`);
}

async function license(name) {
  const folder = join(here, "node_modules", name);
  const { version, license: terms } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
  const file = (await readdir(folder)).find((entry) => /^licen[cs]e/i.test(entry));
  const text = file ? await readFile(join(folder, file), "utf8") : "";
  return `${name} ${version} (${terms})\n\n${text.trim()}\n`;
}

async function stored() {
  const files = new Map();
  for (const folder of ["", "assets"]) {
    const entries = await readdir(join(target, folder), { withFileTypes: true }).catch(() => []);
    for (const entry of entries.filter((one) => one.isFile())) {
      const name = folder ? `${folder}/${entry.name}` : entry.name;
      files.set(name, await readFile(join(target, name)));
    }
  }
  return files;
}

async function write(files) {
  await rm(target, { recursive: true, force: true });
  await mkdir(join(target, "assets"), { recursive: true });
  for (const [name, content] of files) await writeFile(join(target, name), content);
}

function differences(ours, theirs) {
  const names = new Set([...ours.keys(), ...theirs.keys()]);
  return [...names].filter((name) => !ours.get(name)?.equals(theirs.get(name) ?? Buffer.alloc(0)));
}

const files = await built();
const size = [...files.values()].reduce((sum, content) => sum + gzipSync(content, { level: 9 }).length, 0);
if (size > LARGEST) {
  console.error(`the page has ${size} bytes compressed, more than ${LARGEST}`);
  process.exit(1);
}
if (process.argv.includes("--check")) {
  const different = differences(files, await stored());
  if (different.length) {
    console.error(`layers/spanlake/api/static is not the build of web/src: ${different.join(", ")}; run make web`);
    process.exit(1);
  }
} else {
  await write(files);
}
console.log(`${files.size} files, ${size} bytes compressed`);
