/**
 * Brings records of the audit log into the system vault from any node: where this one does not lead, the leader writes them.
 *
 *   INV-TRAIL-4  A record of a call that ran on a node that does not lead is written by the leader, once: what is sent again
 *                has the same keys, and keys are written only where they are not there.
 */
import { cluster } from "@authledger/proto";
import { ERROR_TABLE, isErrorCode, LedgerError, type Operation } from "@authledger/types";
import { Metadata } from "@grpc/grpc-js";
import { heldBytes } from "../forward-budget.js";
import type { Forwarding } from "../forwarding.js";
import { ForeignError } from "../grpc-error.js";
import { isForAnotherNode } from "../not-leader.js";
import type { SystemVault, SystemWrite } from "../system/system-vault.js";

const { recordAudit: RECORD } = cluster.ClusterServiceService;
/** With the first. */
const ATTEMPTS_MAX = 3;

export interface AuditWriter {
  /** Resolves when the records are in the ledger. */
  write(operations: readonly Operation[], about: SystemWrite): Promise<unknown>;
}

export interface AuditRelayDeps {
  readonly forwarding: Pick<Forwarding, "pass">;
  /** Of this node. */
  readonly node: bigint;
}

export class AuditRelay implements AuditWriter {
  readonly #system: Pick<SystemVault, "write">;
  readonly #deps: AuditRelayDeps;

  constructor(system: Pick<SystemVault, "write">, deps: AuditRelayDeps) {
    this.#system = system;
    this.#deps = deps;
  }

  /** @throws what the write here failed with, or what the leader answered */
  async write(operations: readonly Operation[], about: SystemWrite): Promise<unknown> {
    try {
      return await this.#system.write(operations, about);
    } catch (error) {
      // A leader that finds itself wrong behind a call has executed it all the same: its record belongs to the next one.
      if (!(error instanceof LedgerError && isForAnotherNode(error))) throw error;
      return this.#relay(operations, about, error);
    }
  }

  async #relay(
    operations: readonly Operation[],
    about: SystemWrite,
    refusal: LedgerError,
  ): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#pass(operations, about, refusal);
        return;
      } catch (error) {
        // The keys are there: an attempt before this one has written them all.
        if (attempt > 1 && isThere(error)) return;
        if (attempt === ATTEMPTS_MAX || !isUnknown(error)) throw error;
      }
    }
  }

  async #pass(
    operations: readonly Operation[],
    about: SystemWrite,
    refusal: LedgerError,
  ): Promise<void> {
    const records = operations.flatMap(entryOf);
    const request = RECORD.requestSerialize({ actor: about.actor, records });
    const call = {
      ...{ path: RECORD.path, metadata: new Metadata(), signal: new AbortController().signal },
      principal: { kind: "node" as const, name: `node:${this.#deps.node}` },
      deadlineAtMs: about.deadlineAtMs,
      heldBytes: heldBytes({}, request.length),
      encode: () => request,
      again: async () => {
        await this.#system.write(operations, about);
        return RECORD.responseSerialize({});
      },
    };
    await this.#deps.forwarding.pass(call, refusal);
  }
}

/** Of records that were sent before with the same keys: an attempt before this one has written them all. */
export function isThere(error: unknown): boolean {
  return codeOf(error) === "PRECONDITION_FAILED";
}

/** Does nobody know whether the records were written? */
function isUnknown(error: unknown): boolean {
  const code = codeOf(error);
  return isErrorCode(code) && ERROR_TABLE[code].retry === "with-key";
}

function entryOf(operation: Operation): cluster.AuditEntry[] {
  if (operation.op !== "set_entity") return [];
  const { key, value, expiresAtMs } = operation;
  return [{ key, value: Buffer.from(value), expiresAtMs: BigInt(expiresAtMs) }];
}

function codeOf(error: unknown): string {
  if (error instanceof ForeignError) return error.code;
  return (error as Partial<LedgerError>).code ?? "";
}
