// @ts-check
/** The built packages, also their inner modules: a fuzzer meets decoders where they are. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/**
 * @param {string} name a package
 * @param {string} module a file of its dist folder
 * @returns {Promise<any>}
 */
export function product(name, module = "index.js") {
  return import(new URL(`../../packages/${name}/dist/${module}`, import.meta.url).href);
}

/** The golden values of the commitment. */
export const golden = JSON.parse(
  readFileSync(
    fileURLToPath(new URL("../../packages/proof/test/vectors/golden.json", import.meta.url)),
    "utf8",
  ),
);

/** @param {string} text */
export const hex = (text) => new Uint8Array(Buffer.from(text, "hex"));

/** @param {string} text */
export const utf8 = (text) => new TextEncoder().encode(text);

/** @param {Uint8Array} bytes */
export const same = (bytes) => Buffer.from(bytes).toString("latin1");
