/** Lists of any length: row by row, page by page, or the first few. */
import { createClient, createTuple } from "@authledger/sdk";
import { where } from "./environment.js";

await using ledger = createClient(where);
await ledger.write(
  Array.from({ length: 250 }, (_, i) => createTuple(`folder:shared#viewer@user:${i}`)),
);

// Pages are fetched as the loop gets to them; leaving it ends the list.
let rows = 0;
for await (const { tuple } of ledger.list({ resource: "folder:shared" }, { pageSize: 100 })) {
  if (tuple.relation === "viewer") rows++;
}
console.log(`${rows} may view the folder`);

for await (const page of ledger.list({ resource: "folder:shared" }, { pageSize: 100 }).pages()) {
  console.log(`a page of ${page.relationships.length} at height ${page.height}`);
}

const some = await ledger.list({ subject: "user:249" }).toArray({ limit: 3 });
console.log(some.map(({ tuple }) => `${tuple.resource}#${tuple.relation}`));

// A signal ends a list wherever it is.
const signal = AbortSignal.timeout(30_000);
console.log((await ledger.list({ resource: "folder:shared" }, { signal }).collect()).length);
