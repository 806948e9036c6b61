/**
 * Lets a child process of a test run the sources themselves, without a build: `.js` means the `.ts` beside it,
 * whose types are stripped. Give the child `--conditions=source` too, so that packages resolve to sources.
 * What was stripped is kept in the directory STRIPPED, so that only the first child loads the compiler (1.3 s).
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { register } from "node:module";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { isMainThread } from "node:worker_threads";

if (isMainThread) register(import.meta.url);

/** @type {import("node:module").ResolveHook} */
export function resolve(specifier, context, next) {
  if (specifier.startsWith(".") && context.parentURL?.endsWith(".ts")) {
    const url = new URL(specifier.replace(/\.js$/, ".ts"), context.parentURL);
    if (existsSync(url)) return { url: url.href, format: "module", shortCircuit: true };
  }
  return next(specifier, context);
}

/** @type {import("node:module").LoadHook} */
export async function load(url, context, next) {
  if (!url.endsWith(".ts")) return next(url, context);
  return { format: "module", source: await stripped(fileURLToPath(url)), shortCircuit: true };
}

/** @param {string} path */
async function stripped(path) {
  const name = createHash("sha256").update(path).digest("hex");
  const kept = join(process.env["STRIPPED"] ?? "", name);
  if (existsSync(kept)) return readFileSync(kept, "utf8");
  const { default: ts } = await import("typescript");
  const compilerOptions = {
    module: ts.ModuleKind.ESNext,
    target: ts.ScriptTarget.ES2022,
    verbatimModuleSyntax: true,
  };
  const text = ts.transpileModule(readFileSync(path, "utf8"), { compilerOptions }).outputText;
  writeFileSync(`${kept}.${process.pid}`, text);
  renameSync(`${kept}.${process.pid}`, kept);
  return text;
}
