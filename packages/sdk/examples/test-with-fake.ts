/** A unit test of a program that uses a ledger, without one: the fake behaves as a node, with a clock to turn. */
import assert from "node:assert/strict";
import { createTuple, type LedgerClient, tupleMustExist } from "@authledger/sdk";
import { createFakeLedger } from "@authledger/sdk/fake";

/** What is tested: a share link that ends. Only an owner may share. */
async function share(
  client: LedgerClient,
  link: { doc: string; owner: string; guest: string; untilMs: number },
): Promise<void> {
  await client.write([
    tupleMustExist(`${link.doc}#owner@${link.owner}`),
    createTuple(`${link.doc}#viewer@${link.guest}`, { expiresAtMs: link.untilMs }),
  ]);
}

const ledger = createFakeLedger({ nowMs: Date.UTC(2026, 0, 1) });
await using client = ledger.client();
await client.write([createTuple("doc:budget#owner@user:alice")]);
const link = { doc: "doc:budget", guest: "user:bob", untilMs: Date.UTC(2026, 0, 8) };

await share(client, { ...link, owner: "user:alice" });
assert.equal((await client.check("doc:budget#viewer@user:bob")).allowed, true);

ledger.clock.set(link.untilMs);
assert.equal((await client.check("doc:budget#viewer@user:bob")).allowed, false);

const stranger = share(client, { ...link, owner: "user:mallory" });
await assert.rejects(stranger, { code: "PRECONDITION_FAILED" });
console.log("a link ends, and only owners share");
