/** Changes an entity that others change too: read, decide, write if it is still what was read. */
import {
  createClient,
  type LedgerClient,
  PreconditionFailedError,
  setEntity,
} from "@authledger/sdk";
import { where } from "./environment.js";

await using ledger = createClient(where);

/** Adds one, whoever else does at the same time. */
async function increment(client: LedgerClient, key: string): Promise<number> {
  for (;;) {
    const { entity } = await client.read(key);
    const next = entity === undefined ? 1 : Number(new TextDecoder().decode(entity.value)) + 1;
    const condition =
      entity === undefined
        ? ({ kind: "must_not_exist" } as const)
        : ({ kind: "version_equals", version: Number(entity.version) } as const);
    try {
      await client.write([setEntity(key, String(next), { condition })]);
      return next;
    } catch (error) {
      // Somebody was faster; nothing has happened.
      if (!(error instanceof PreconditionFailedError)) throw error;
    }
  }
}

const key = `counter:${crypto.randomUUID()}`;
const results = await Promise.all(Array.from({ length: 5 }, () => increment(ledger, key)));
console.log(`counted ${results.sort((a, b) => a - b).join(", ")}`);
