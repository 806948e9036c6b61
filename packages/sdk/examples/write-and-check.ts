/** Writes a tuple and reads its own write from whichever replica answers. */
import { atLeast, createClient, createTuple, deleteTuple } from "@authledger/sdk";
import { where } from "./environment.js";

await using ledger = createClient(where);

const { token, statuses, height } = await ledger.write([
  createTuple("doc:budget#viewer@user:alice"),
  createTuple("doc:budget#editor@user:bob"),
]);
console.log(`block ${height}: ${statuses.join(", ")}`);

// The token stands for what this write saw: an answer from before it is not accepted.
const consistency = atLeast(token);
for (const user of ["alice", "bob"]) {
  const { allowed } = await ledger.check(`doc:budget#viewer@user:${user}`, { consistency });
  console.log(`may ${user} view the budget? ${allowed}`);
}

await ledger.write([deleteTuple("doc:budget#viewer@user:alice")]);
