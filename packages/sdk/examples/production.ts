/** A client for production: credentials, circuits, hedged reads, code around every call, and errors that say what they met. */
import { readFile } from "node:fs/promises";
import process from "node:process";
import { attemptsOf, createClient, type Interceptor, LedgerError } from "@authledger/sdk";
import { otelTracing } from "@authledger/sdk/otel";
import { prometheusMetrics } from "@authledger/sdk/prometheus";
import { where } from "./environment.js";

const { AUTHLEDGER_TOKEN_FILE: tokenFile } = process.env;

/** Notes what takes longer than it should. */
const slowCalls: Interceptor = {
  unary: (next) => async (call) => {
    const start = performance.now();
    try {
      return await next(call);
    } finally {
      const ms = performance.now() - start;
      if (ms > 250) console.warn(`${call.method} took ${Math.round(ms)} ms (${call.requestId})`);
    }
  },
};

await using ledger = createClient({
  ...where,
  // Asked for when it is needed, and again when it was refused: a file that is rotated.
  ...(tokenFile && { credentials: async () => (await readFile(tokenFile, "utf8")).trim() }),
  deadlineMs: 2_000,
  hedge: true,
  replicas: "fastest",
  interceptors: [slowCalls],
  metrics: prometheusMetrics(),
  tracing: otelTracing(),
});

try {
  const { allowed } = await ledger.check("doc:budget#viewer@user:alice");
  console.log(`allowed: ${allowed}`);
} catch (error) {
  if (!(error instanceof LedgerError)) throw error;
  for (const { endpoint, code, ms } of attemptsOf(error)) console.error(endpoint, code, ms);
  console.error(`${error.code}: ${error.message}`);
  process.exitCode = 1;
}
for (const { address, circuit } of ledger.endpoints()) console.log(`${address}: ${circuit}`);
