/**
 * A lock among processes: an entity that exists once and expires, so that a holder who dies does not hold it for ever.
 * Its version is a fencing token: whoever comes later has a larger one.
 */
import {
  createClient,
  deleteEntity,
  type LedgerClient,
  PreconditionFailedError,
  setEntity,
} from "@authledger/sdk";
import { where } from "./environment.js";

await using ledger = createClient(where);

interface Lock {
  /** Larger than that of everybody who held it before. */
  readonly fence: bigint;
  release(): Promise<void>;
}

/** Undefined while another holds it. */
async function acquire(
  client: LedgerClient,
  name: string,
  holdMs: number,
): Promise<Lock | undefined> {
  const key = `lock:${name}`;
  const expiresAtMs = Date.now() + holdMs;
  try {
    const condition = { kind: "must_not_exist" } as const;
    const { height } = await client.write([setEntity(key, "held", { condition, expiresAtMs })]);
    const mine = { kind: "version_equals", version: Number(height) } as const;
    return {
      fence: height,
      release: async () => {
        await client.write([deleteEntity(key, mine)]);
      },
    };
  } catch (error) {
    if (error instanceof PreconditionFailedError) return undefined;
    throw error;
  }
}

const name = crypto.randomUUID();
const mine = await acquire(ledger, name, 10_000);
const theirs = await acquire(ledger, name, 10_000);
console.log(`mine: ${mine !== undefined}, theirs: ${theirs !== undefined}`);
await mine?.release();

const short = await acquire(ledger, name, 50);
await new Promise((resolve) => setTimeout(resolve, 100));
const later = await acquire(ledger, name, 10_000);
console.log(
  `after the first one expired: ${later !== undefined && later.fence > (short?.fence ?? 0n)}`,
);
await later?.release();
