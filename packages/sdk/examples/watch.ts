/** Keeps a copy of who may view a document: what was there, then every change, over lost connections too. */
import { createClient, createTuple, deleteTuple } from "@authledger/sdk";
import { where } from "./environment.js";

await using ledger = createClient(where);
const resource = `doc:${crypto.randomUUID()}`;
await ledger.write([createTuple(`${resource}#viewer@user:alice`)]);

const viewers = new Set<string>();
let wasTold = false;
for await (const event of ledger.watchChanges({ resource, relation: "viewer" }, { from: 0n })) {
  if (event.kind === "change" && event.change.target.kind === "tuple") {
    const { subject } = event.change.target.tuple;
    if (event.change.change === "created") viewers.add(subject);
    else viewers.delete(subject);
  } else if (event.kind === "progress" && event.state === "live") {
    // Everything below `nextHeight` is in the copy.
    console.log(`live: ${[...viewers].sort().join(", ")}`);
    if (viewers.has("user:bob")) break;
    if (!wasTold) {
      wasTold = true;
      await ledger.write([
        deleteTuple(`${resource}#viewer@user:alice`),
        createTuple(`${resource}#viewer@user:bob`),
      ]);
    }
  }
}
