import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const packages = fileURLToPath(new URL("./packages", import.meta.url));

export default defineConfig({
  // Packages resolve to their sources, so that a test needs no build and a stack trace names the line
  // that was written.
  resolve: {
    alias: [
      { find: /^@authledger\/([a-z]+)$/, replacement: `${packages}/$1/src/index.ts` },
      {
        find: /^@authledger\/authz\/language$/,
        replacement: `${packages}/authz/src/language/index.ts`,
      },
      {
        find: /^@authledger\/sdk\/(fake|otel)$/,
        replacement: `${packages}/sdk/src/$1/index.ts`,
      },
    ],
  },
  test: {
    include: ["packages/*/test/**/*.test.ts", "test/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: "forks",
    // Left alone it keeps a core free, which on two of them is half of the machine.
    maxWorkers: "100%",
    setupFiles: ["test/setup.ts"],
  },
});
