/** Calls of one tick become one request by themselves; a batch says it outright. */
import { createClient, createTuple } from "@authledger/sdk";
import { where } from "./environment.js";

await using ledger = createClient(where);
const users = Array.from({ length: 100 }, (_, i) => `user:${i}`);

// A hundred transactions of their own, one request: each may fail without the others.
await Promise.all(users.map((user) => ledger.write([createTuple(`doc:plan#viewer@${user}`)])));

// A hundred answers about one height, one request: with proofs, one proof.
const answers = await Promise.all(users.map((user) => ledger.check(`doc:plan#viewer@${user}`)));
console.log(`${answers.filter(({ allowed }) => allowed).length} of ${users.length} are viewers`);

// The same as one call, and transactions whose outcomes are values.
const { allowed } = await ledger.checkMany(users.map((user) => `doc:plan#owner@${user}`));
console.log(`${allowed.filter(Boolean).length} are owners`);
const { outcomes } = await ledger.batchWrite([
  { operations: [createTuple("doc:plan#owner@user:0")], reason: "ticket 17" },
  { operations: [createTuple("doc:plan#owner@user:1")], idempotencyKey: crypto.randomUUID() },
]);
console.log(outcomes.map(({ kind }) => kind).join(", "));
