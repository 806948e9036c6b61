// @ts-check
/**
 * Looks for every acknowledged write in the signed history, as each node tells it: the transaction is in the block that
 * the answer named, and nowhere else. All nodes tell the same blocks. The client verifies: what a node says that its
 * cosigned heads do not cover is refused.
 */

import { decodeTransaction } from "../../packages/proof/dist/index.js";
import { createClient } from "../../packages/sdk/dist/index.js";
import { compareBytes, toHex } from "../../packages/types/dist/index.js";

const RANGE = 500;
const PROBLEMS_MAX = 20;
/** A follower may be some blocks behind when the work ends. */
const CAUGHT_UP_MS_MAX = 15_000;
const AGAIN_MS = 200;

/** @typedef {import("../../packages/sdk/dist/index.js").LedgerClient} LedgerClient */

/**
 * @param {readonly string[]} endpoints
 * @param {import("../../packages/sdk/dist/index.js").Tenant} tenant
 * @param {readonly import("./clients.mjs").Acknowledged[]} acknowledged
 * @returns {Promise<string[]>} what is wrong
 */
export async function lookForWrites(endpoints, tenant, acknowledged) {
  /** @type {string[]} */
  const problems = [];
  /** @type {Map<string, Uint8Array>} */
  const blocks = new Map();
  let height = 0n;
  for (const { height: at } of acknowledged) if (at > height) height = at;
  for (const endpoint of endpoints) {
    const told = await historyOf(endpoint, tenant, height);
    for (const [at, hash] of told.blocks) {
      const known = blocks.get(String(at));
      if (known === undefined) blocks.set(String(at), hash);
      else if (compareBytes(known, hash) !== 0) {
        problems.push(`${endpoint} has another block ${at}: ${toHex(hash)}`);
      }
    }
    for (const { transactionId, height: at, what } of acknowledged) {
      const found = told.transactions.get(toHex(transactionId)) ?? [];
      if (found.length === 1 && found[0] === at) continue;
      const where = found.length === 0 ? "nowhere" : `in ${found.join(" and ")}`;
      problems.push(
        `${endpoint}: ${what} ${toHex(transactionId)}, acknowledged in ${at}, is ${where}`,
      );
    }
    if (problems.length >= PROBLEMS_MAX) break;
  }
  return problems.slice(0, PROBLEMS_MAX);
}

/** @param {string} endpoint @param {import("../../packages/sdk/dist/index.js").Tenant} tenant @param {bigint} least */
async function historyOf(endpoint, tenant, least) {
  const client = createClient({
    ...{ endpoints: endpoint, tenant, deadlineMs: 20_000, verify: { trustOnFirstUse: true } },
  });
  try {
    await caughtUp(client, least);
    return await readAll(client, least);
  } catch (error) {
    throw new Error(`${endpoint}: ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    client.close();
  }
}

/** @param {LedgerClient} client @param {bigint} least */
async function caughtUp(client, least) {
  const endAt = performance.now() + CAUGHT_UP_MS_MAX;
  while (
    (await client.getTip({ consistency: { kind: "any", maxStalenessMs: 0 } })).height < least
  ) {
    if (performance.now() > endAt) throw new Error(`it does not reach block ${least}`);
    await new Promise((done) => setTimeout(done, AGAIN_MS));
  }
}

/** @param {LedgerClient} client @param {bigint} least */
async function readAll(client, least) {
  /** @type {Map<bigint, Uint8Array>} */
  const blocks = new Map();
  /** @type {Map<string, bigint[]>} */
  const transactions = new Map();
  for (let from = 0n; from <= least; ) {
    const range = await client.getBlockRange(from, { limit: RANGE, transactions: true });
    if (!range.isVerified) throw new Error(`blocks from ${from} on are not verified`);
    for (const block of range.blocks) {
      blocks.set(block.height, block.blockHash);
      for (const canonical of block.transactions) {
        const id = toHex(decodeTransaction(canonical).id);
        transactions.set(id, [...(transactions.get(id) ?? []), block.height]);
      }
    }
    if (range.nextHeight === from) break;
    from = range.nextHeight;
  }
  return { blocks, transactions };
}
