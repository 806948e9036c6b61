/** Receipts of decisions, decided again from their files. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { formatDecisionFile } from "@authledger/authz";
import { formatReceipt, formatTrustAnchor, ledgerRecordKey, tupleKey } from "@authledger/proof";
import { expect, test } from "vitest";
import { temporaryDirectory } from "../../../../test/support.js";
import { START_S, TestVault } from "../../../proof/test/support/test-vault.js";
import { cliHere } from "../e2e/processes.js";

const NONE = new Uint8Array(0);
const TUPLE = { resource: "document:plan", relation: "viewer", subject: "user:ann" };
/** Between block 1 and the signature. */
const EXPIRES_MS = (START_S + 3) * 1_000;
const SIGNED_S = START_S + 5;

/** The files of a check of a vault without a model, as a node made them when the head was signed. */
function writeReceipt(allowed: boolean, judgedAtMs: number | undefined, size = 2) {
  const vault = new TestVault();
  vault.seal([{ op: "create_tuple", tuple: TUPLE, expiresAtMs: EXPIRES_MS, value: undefined }]);
  while (vault.size < size) vault.seal([]);
  const directory = temporaryDirectory();
  const [anchor, path] = [join(directory, "anchor"), join(directory, "no.tlog-proof")];
  const gets = [tupleKey(TUPLE), ledgerRecordKey("ledger", "model")];
  const receipt = {
    height: 1n,
    historyProof: vault.historyProof(1),
    checkpoint: vault.checkpoint({ timeS: SIGNED_S }),
    header: vault.headers[1]!,
    inside: vault.stateProof({ gets }, 1),
  };
  const { resource: object, ...rest } = TUPLE;
  const decision = {
    question: { kind: "check", checks: [{ object, ...rest }] },
    answer: { kind: "check", allowed: [allowed] },
    activeModel: NONE,
    modelBody: NONE,
    tupleValues: [],
    ...(judgedAtMs !== undefined && { judgedAtMs }),
  } as const;
  writeFileSync(anchor, formatTrustAnchor(vault.anchor));
  writeFileSync(path, formatReceipt(receipt));
  writeFileSync(`${path}.decision`, formatDecisionFile(decision));
  return ["proof", "verify", path, "--anchor", anchor, "-o", "json"];
}

/*
 * A tuple had expired between the newest block and the signature, and was not collected yet. The check said denied, and its receipt was
 * judged by the block's time, at which the tuple was there: the one receipt of that denial never verified.
 */
test.each([
  ["a denial by expiry, judged when its head was signed", false, SIGNED_S * 1_000],
  ["the same, judged at the very time of expiry", false, EXPIRES_MS],
  ["what was allowed a moment before", true, EXPIRES_MS - 1],
  ["what is judged by the block's time", true, undefined],
])("%s is decided again as it was", async (_, allowed, judgedAtMs) => {
  const { end, out, err } = await cliHere(writeReceipt(allowed, judgedAtMs));
  expect([end, end === 0 ? "" : err]).toEqual([0, ""]);
  const time = (START_S + 1) * 1_000;
  expect(JSON.parse(out)).toMatchObject({
    answer: allowed ? "allowed" : "denied",
    judged_at_ms: String(judgedAtMs ?? time),
    time_ms: String(time),
  });
});

test.each([
  ["later than its head was signed", false, SIGNED_S * 1_000 + 1, 2],
  ["earlier than its block", true, (START_S + 1) * 1_000 - 1, 2],
  ["at a time when there was a later block", false, EXPIRES_MS, 3],
  ["at a time that gives another answer", true, EXPIRES_MS, 2],
])("what says that it was judged %s is refused", async (_, allowed, judgedAtMs, size) => {
  const { end, err } = await cliHere(writeReceipt(allowed, judgedAtMs, size));
  expect([end, err]).toEqual([7, expect.stringContaining("PROOF_INVALID")]);
});
