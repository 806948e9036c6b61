/** Trusts no server: every answer is computed from its proof, and the head behind it only grows, run after run. */
import { createClient, createTuple, EquivocationError, FileRoots } from "@authledger/sdk";
import { anchor, pins, where } from "./environment.js";

await using ledger = createClient({
  ...where,
  verify: {
    // Without an anchor the first answer is believed, and everything after it must continue it.
    ...(anchor === undefined ? { trustOnFirstUse: true } : { anchor }),
    pinnedRoots: new FileRoots(pins),
  },
});

try {
  await ledger.write([createTuple("doc:budget#viewer@user:alice")]);
  const { allowed, verified } = await ledger.check("doc:budget#viewer@user:alice");
  console.log(`allowed: ${allowed}, proven at height ${verified?.height}`);
  const denied = await ledger.check("doc:budget#viewer@user:mallory");
  console.log(`allowed: ${denied.allowed}, and that nothing is stored is proven too`);
} catch (error) {
  if (!(error instanceof EquivocationError)) throw error;
  // Two signed heads that exclude each other: keep both, they convict whoever signed them.
  console.error(error.trustedNote, error.receivedNote);
  process.exitCode = 1;
}
