/**
 * What became of each item of an entry, as apply returns it. Part of the group digest: replicas that answer
 * differently are told apart (storage.md, "Group digest").
 */
import {
  assert,
  ByteWriter,
  type ErrorCode,
  type ErrorDetails,
  isErrorCode,
  OperationStatus,
} from "@authledger/types";

/** What was answered the first time. */
export interface RememberedTransaction {
  readonly transactionId: Uint8Array;
  readonly sequence: number;
  readonly height: number;
  /** Index in its block. */
  readonly index: number;
  readonly statuses: readonly OperationStatus[];
}

/** An item that was refused changed nothing and is in no block. */
export interface Refusal {
  readonly kind: "refused";
  readonly code: ErrorCode;
  readonly message: string;
  readonly details: ErrorDetails;
}

export interface AppliedTransaction {
  readonly kind: "applied";
  readonly vault: number;
  readonly transaction: RememberedTransaction;
  /** The answer of an earlier request with the same idempotency key; nothing changed now. */
  readonly replayed: boolean;
}

interface CreatedVault {
  readonly kind: "vault_created";
  readonly vault: number;
}

interface Initialized {
  readonly kind: "initialized";
}

interface StatusSet {
  readonly kind: "status_set";
}

/** Rows of a vault that is being deleted were removed. */
interface Swept {
  readonly kind: "swept";
  readonly removed: number;
  /** Nothing of it is left. */
  readonly isDone: boolean;
}

interface Pruned {
  readonly kind: "pruned";
  readonly vault: number;
  /** The oldest block that is kept now. */
  readonly oldest: number;
}

/** The bundle of a policy's epoch is kept. */
interface PolicyKept {
  readonly kind: "policy_kept";
  readonly vault: number;
  readonly epoch: number;
}

/** Earlier values under a path were erased. */
interface Erased {
  readonly kind: "erased";
  readonly vault: number;
  readonly versions: number;
  /** Nothing under the path is left to erase. */
  readonly isDone: boolean;
}

export type Outcome =
  | AppliedTransaction
  | Refusal
  | CreatedVault
  | Initialized
  | StatusSet
  | Swept
  | Pruned
  | PolicyKept
  | Erased;

const KIND = {
  applied: 1,
  refused: 2,
  vault_created: 3,
  initialized: 4,
  status_set: 5,
  swept: 6,
  pruned: 7,
  policy_kept: 12,
  erased: 14,
} as const;

const STATUS_BY_NUMBER: ReadonlyMap<number, OperationStatus> = new Map(
  Object.entries(OperationStatus).map(([name, number]) => [number, name as OperationStatus]),
);

/** One byte for each status. */
export function statusesToBytes(statuses: readonly OperationStatus[]): Uint8Array {
  const bytes = new Uint8Array(statuses.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = OperationStatus[statuses[i]!];
  return bytes;
}

export function statusesFromBytes(bytes: Uint8Array): OperationStatus[] {
  return Array.from(bytes, (number) => {
    const status = STATUS_BY_NUMBER.get(number);
    assert(status !== undefined, "stored statuses are known", { number });
    return status;
  });
}

/** Canonical bytes of the results of an entry, for the group digest. */
const outcomesWriter = new ByteWriter(1_024);

export function encodeOutcomes(outcomes: readonly Outcome[]): Uint8Array {
  const out = outcomesWriter.clear();
  out.u32(outcomes.length);
  for (const outcome of outcomes) writeOutcome(out, outcome);
  return out.finish();
}

function writeOutcome(out: ByteWriter, outcome: Outcome): void {
  out.u8(KIND[outcome.kind]);
  switch (outcome.kind) {
    case "applied": {
      const { transaction } = outcome;
      out.u32(outcome.vault).bytes(transaction.transactionId).u64(transaction.sequence);
      out
        .u64(transaction.height)
        .u32(transaction.index)
        .u8(outcome.replayed ? 1 : 0);
      out.lp32(statusesToBytes(transaction.statuses));
      return;
    }
    case "refused":
      assert(isErrorCode(outcome.code), "a refusal has a code of the table");
      out.lp16(outcome.code);
      return;
    case "vault_created":
      out.u32(outcome.vault);
      return;
    case "initialized":
    case "status_set":
      return;
    case "swept":
      out.u32(outcome.removed).u8(outcome.isDone ? 1 : 0);
      return;
    case "pruned":
      out.u32(outcome.vault).u64(outcome.oldest);
      return;
    case "policy_kept":
      out.u32(outcome.vault).u32(outcome.epoch);
      return;
    case "erased":
      out
        .u32(outcome.vault)
        .u32(outcome.versions)
        .u8(outcome.isDone ? 1 : 0);
      return;
  }
}
