/**
 * Erases values (state/erase.ts): what is stored now is deleted by an ordinary transaction, then what is left of earlier
 * versions goes, an entry of a bounded number of versions at a time. What a crash interrupts is done when it is asked for
 * again: each step leaves less.
 */
import { entityKey, type LedgerKey, tupleKey } from "@authledger/proof";
import { erasureEntityKey, type GroupState, type SealedTransaction } from "@authledger/state";
import { LedgerError, type Operation, toHex, utf8 } from "@authledger/types";
import type { EngineReply, EngineRequest } from "./port.js";
import { checkWritable } from "./vault-lookup.js";
import { throwIfRefused, type Writes } from "./writes.js";

type EraseRequest = EngineRequest<"erase">;

/** @throws LedgerError as a write */
export async function erase(
  { state, writes }: { readonly state: GroupState; readonly writes: Writes },
  request: EraseRequest,
  deadlineAtMs?: number,
): Promise<EngineReply<"erase">> {
  const vault = state.requireServed(request.vault);
  checkWritable(state, vault.row);
  const path = vault.paths.path(keyOf(request)).slice();
  const deleted = !request.keepCurrent && (await deleteCurrent(writes, request, deadlineAtMs));
  let erased = 0;
  let hasBegun = deleted;
  for (;;) {
    const outcome = await writes
      .proposeItem((timeMs) => {
        const registration = registered({ state, writes }, request, path, timeMs);
        return { kind: "erase", vault: request.vault, path, registration };
      })
      .catch((error: unknown) => {
        throw hasBegun ? cutOff(LedgerError.from(error)) : error;
      });
    hasBegun = true;
    throwIfRefused(outcome);
    if (outcome.kind !== "erased") throw new LedgerError("INTERNAL", "an erasure erases");
    erased += outcome.versions;
    if (outcome.isDone) break;
  }
  const height = state.vault(request.vault)?.height ?? 0;
  return { erased, deleted, at: { height, index: state.applied.index } };
}

/** Who passes calls on takes a refusal that is safe to repeat for one of the whole, and would count again from nothing. */
function cutOff(error: LedgerError): LedgerError {
  if (error.row.retry !== "safe") return error;
  const message = `a part is erased, then: ${error.message}`;
  return new LedgerError("COMMIT_UNKNOWN", message, { cause: error });
}

function keyOf({ target }: EraseRequest): LedgerKey {
  return "key" in target ? entityKey(target.key) : tupleKey(target.tuple);
}

async function deleteCurrent(
  writes: Writes,
  { vault, target, actor, reason }: EraseRequest,
  deadlineAtMs: number | undefined,
): Promise<boolean> {
  const operation: Operation =
    "key" in target
      ? { op: "delete_entity", key: target.key, condition: { kind: "none" } }
      : { op: "delete_tuple", tuple: target.tuple };
  const transaction = { operations: [operation], clientId: "", idempotencyKey: "", reason };
  const request = { vault, transactions: [transaction], actor, prove: false };
  const { outcomes } = await writes.write(request, deadlineAtMs);
  const outcome = outcomes[0]!;
  if (outcome.kind === "applied") return outcome.statuses[0] === "deleted";
  const { code, message, details } = outcome;
  throw new LedgerError(code, message, { details });
}

/** The record of it: the path is a salted hash, so it names nobody. */
function registered(
  { state, writes }: { readonly state: GroupState; readonly writes: Writes },
  { vault, actor, reason }: EraseRequest,
  path: Uint8Array,
  timeMs: number,
): SealedTransaction {
  const { organizationSlug: organization, slug } = state.requireVault(vault).row;
  const key = erasureEntityKey(organization, slug, path);
  const value = utf8(JSON.stringify({ path: toHex(path), actor, at_ms: timeMs }));
  return writes.sealEntity({ key, value }, { actor, timeMs, reason });
}
