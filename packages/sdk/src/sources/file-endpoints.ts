/** Nodes by a file that somebody else keeps up to date. */
import { readFile } from "node:fs/promises";
import type { EndpointSource } from "./endpoint-source.js";

/**
 * One host:port on each line; empty lines and those that begin with # are left out.
 * @example createClient({ endpoints: fileEndpoints("/etc/authledger/nodes") })
 */
export function fileEndpoints(
  path: string,
  options: { readonly refreshMs?: number | undefined } = {},
): EndpointSource {
  return {
    refreshMs: options.refreshMs,
    addresses: async () =>
      (await readFile(path, "utf8"))
        .split("\n")
        .map((line) => line.trim())
        .filter((line) => line !== "" && !line.startsWith("#")),
  };
}
