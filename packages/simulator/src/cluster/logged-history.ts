/** What the log did, for the judge that replays it: the blocks of a replica as lines of a history. */
import { decodeHeader, decodeTransaction } from "@authledger/proof";
import type { LoggedBlock, LoggedWrite, Operation } from "../history/record.js";
import { loggedBlock, Violation } from "./replica-check.js";

type CanonicalOp = ReturnType<typeof decodeTransaction>["ops"][number];

/** One vault's chain, oldest block first. */
export type Chain = readonly {
  readonly header: Uint8Array;
  readonly transactions: readonly Uint8Array[];
}[];

/**
 * A transaction names its request in its reason; the values that it commits to are those of the request.
 * @throws Violation INV-SIM-26 when nobody asked for what is in the log
 */
export function loggedHistory(
  chains: ReadonlyMap<number, Chain>,
  operations: readonly Operation[],
): { readonly writes: readonly LoggedWrite[]; readonly blocks: readonly LoggedBlock[] } {
  const asked = new Map<string, Operation[]>();
  for (const operation of operations) {
    if (operation.id === undefined) continue;
    const known = asked.get(operation.id);
    if (known === undefined) asked.set(operation.id, [operation]);
    else known.push(operation);
  }
  const writes: LoggedWrite[] = [];
  const blocks: LoggedBlock[] = [];
  for (const [vault, chain] of chains) {
    for (const { header, transactions } of chain) {
      blocks.push(loggedBlock(vault, header));
      const { index, height } = decodeHeader(header);
      if (height === 0) continue;
      for (const transaction of transactions) {
        writes.push(...writesOf(transaction, { vault, log: index }, asked));
      }
    }
  }
  writes.sort((a, b) => a.log - b.log);
  return { writes, blocks };
}

function writesOf(
  transaction: Uint8Array,
  { vault, log }: { readonly vault: number; readonly log: number },
  asked: ReadonlyMap<string, readonly Operation[]>,
): LoggedWrite[] {
  const { reason: id, ops, actor } = decodeTransaction(transaction);
  // What the ledger writes itself, as the policy of a vault; clients give reasons.
  if (id === "" && !actor.startsWith("user:")) return [];
  const own = asked.get(id);
  if (own === undefined || own.length !== ops.length) {
    const what = `entry ${log} has ${ops.length} operations of "${id}", which asked for ${own?.length ?? 0}`;
    throw new Violation("INV-SIM-26", what);
  }
  return ops.map((op, i): LoggedWrite => {
    const { in: value, exp, op: kind, key, vault: asVault } = own[i]!;
    const [kindInLog, keyInLog] = readOp(op);
    if (kindInLog !== kind || keyInLog !== key || asVault !== String(vault)) {
      const what = `entry ${log}: "${id}" asked for ${kind} ${key} of ${asVault} and is ${kindInLog} ${keyInLog} of ${vault}`;
      throw new Violation("INV-SIM-26", what);
    }
    return { log, vault: String(vault), id, op: kindInLog, key, in: value, exp };
  });
}

function readOp(op: CanonicalOp): [LoggedWrite["op"], key: string] {
  switch (op.op) {
    case "create_tuple":
      return ["create", `${op.tuple.resource}#${op.tuple.relation}@${op.tuple.subject}`];
    case "delete_tuple":
      return ["delete", `${op.tuple.resource}#${op.tuple.relation}@${op.tuple.subject}`];
    case "set_entity":
      return [op.condition.kind === "none" ? "put" : "cas", op.key];
    case "delete_entity":
      return ["del", op.key];
    default:
      throw new Violation("INV-SIM-26", `nobody asks for ${op.op}`);
  }
}
