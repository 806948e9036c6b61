/** The client library as a bundler for browsers takes it. */
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { rolldown } from "rolldown";

export interface Bundle {
  readonly code: string;
  readonly bytes: number;
  readonly gzipBytes: number;
  /** What it would load from elsewhere. */
  readonly imports: readonly string[];
}

/** Bundles what a program imports from the built library. */
export async function bundle(program: string): Promise<Bundle> {
  const entry = "\0program";
  const sdk = fileURLToPath(new URL("../../dist/index.js", import.meta.url));
  const build = await rolldown({
    input: entry,
    platform: "browser",
    logLevel: "silent",
    plugins: [
      {
        name: "program",
        resolveId: (id) => (id === entry ? id : id === "@authledger/sdk" ? sdk : undefined),
        load: (id) => (id === entry ? program : undefined),
      },
    ],
  });
  const { output } = await build.generate({ format: "es", minify: true });
  await build.close();
  const [chunk] = output;
  const { code, imports, dynamicImports } = chunk;
  const bytes = Buffer.byteLength(code);
  return {
    code,
    bytes,
    gzipBytes: gzipSync(code).length,
    imports: [...imports, ...dynamicImports],
  };
}
