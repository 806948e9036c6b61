// @ts-check
/** Module hooks: the built packages are loaded with counters in them. */
import { fileURLToPath } from "node:url";
import { instrumented } from "./instrument.mjs";

const PACKAGE = /\/packages\/(?!proto\/)[a-z]+\/dist\/.*\.js$/;

/** @type {import("node:module").LoadHook} */
export async function load(url, context, nextLoad) {
  if (!url.startsWith("file:") || !PACKAGE.test(url)) return nextLoad(url, context);
  return { format: "module", shortCircuit: true, source: instrumented(fileURLToPath(url)) };
}
