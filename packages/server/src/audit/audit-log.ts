/**
 * The audit log (L-54 to L-56, L-145): every call of administration as a transaction of the system vault, so that it is
 * replicated, hashed and provable as the data is; refused calls there in summaries, and all of it in a file of the node.
 *
 *   INV-TRAIL-1  A call of administration is answered after its record is committed, whether it went well or failed; where
 *                the record could not be written, the node's log and its metrics say so.
 *
 * The record follows the change in a transaction of its own: what changed is in the ledger with its actor in any case, so a
 * crash between the two loses the record of the call, and not who did it.
 */
import { LedgerError, type Operation } from "@authledger/types";
import type { Logger } from "pino";
import { hasEnded } from "../system/not-serving.js";
import type { AuditFile } from "./audit-file.js";
import { type AuditRecord, auditKey, auditValue, RECORDS_MAX } from "./audit-record.js";
import { type AuditWriter, isThere } from "./audit-relay.js";
import { Refusals } from "./refusals.js";

/** A call waits no longer for its record. */
const WRITE_MS_MAX = 5_000;
/** Refusals are told of so often. */
const SUMMARY_MS = 60_000;
const SUMMARY_ACTOR = "system:audit";

export interface AuditLogDeps {
  readonly system: AuditWriter;
  /** Absent: the ledger alone. */
  readonly file: AuditFile | undefined;
  readonly logger: Logger;
  /** For how long records stay in the state, in milliseconds; 0 = for ever. They stay in the history. */
  readonly retentionMs: () => number;
  readonly nowMs: () => number;
  /** 8 hex digits. */
  readonly suffix: () => string;
}

export class AuditLog {
  readonly #deps: AuditLogDeps;
  readonly #refusals = new Refusals();
  readonly #timer: NodeJS.Timeout;
  #summing: Promise<void> | undefined;
  /** Summaries that were sent, and maybe written. They are sent as they are until they are there (INV-TRAIL-2). */
  #sent: readonly Operation[] = [];
  /** Records in the ledger. */
  written = 0;
  /** Records that the ledger has not: nobody could write them. */
  unwritten = 0;
  /** Calls that were refused. */
  refused = 0;

  constructor(deps: AuditLogDeps) {
    this.#deps = deps;
    this.#timer = setInterval(() => void this.summarize(), SUMMARY_MS).unref();
  }

  /** Resolves when the record is in the ledger, or it was told that it is not. */
  async add(record: AuditRecord): Promise<void> {
    this.#deps.file?.add(record);
    await this.#write(record).catch((error: unknown) => {
      this.unwritten++;
      // The call that it tells of has failed by the same end, and that was told.
      const told = "a record of the audit log could not be written";
      const { code } = LedgerError.from(error);
      if (hasEnded(error)) this.#deps.logger.info({ code, audit: record }, told);
      else this.#deps.logger.error({ err: error, audit: record }, told);
    });
  }

  /** Told of at once in the file, and in the next summary in the ledger. */
  refuse(record: AuditRecord): void {
    this.refused++;
    this.#deps.file?.add(record);
    this.#refusals.add(record);
  }

  /** Refusals that neither the ledger nor a coming summary tells of. */
  get lost(): number {
    return this.#refusals.lost;
  }

  /** Writes what was refused since the last time; what nobody can write now is written with the next. */
  summarize(): Promise<void> {
    this.#summing ??= this.#summarize().finally(() => {
      this.#summing = undefined;
    });
    return this.#summing;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#deps.file?.close();
  }

  async #summarize(): Promise<void> {
    let records: AuditRecord[] = [];
    try {
      await this.#sendAgain();
      records = this.#refusals.take();
      while (records.length > 0) {
        this.#sent = this.#operationsOf(records.splice(0, RECORDS_MAX));
        await this.#send(this.#sent, SUMMARY_ACTOR);
        this.#sent = [];
      }
    } catch (error) {
      this.#refusals.giveBack(records);
      const { code } = LedgerError.from(error);
      const level = hasEnded(error) ? "debug" : "warn";
      this.#deps.logger[level]({ code }, "a summary of refused calls could not be written yet");
    }
  }

  async #sendAgain(): Promise<void> {
    if (this.#sent.length === 0) return;
    try {
      await this.#send(this.#sent, SUMMARY_ACTOR);
    } catch (error) {
      if (!isThere(error)) throw error;
      this.written += this.#sent.length;
    }
    this.#sent = [];
  }

  async #write(record: AuditRecord): Promise<void> {
    await this.#send(this.#operationsOf([record]), record.actor);
  }

  #operationsOf(records: readonly AuditRecord[]): Operation[] {
    const { retentionMs, nowMs, suffix } = this.#deps;
    const keptMs = retentionMs();
    return records.map((record) => ({
      op: "set_entity",
      key: auditKey(record.timeMs, suffix()),
      value: auditValue(record),
      expiresAtMs: keptMs === 0 ? 0 : nowMs() + keptMs,
      condition: { kind: "must_not_exist" },
    }));
  }

  async #send(operations: readonly Operation[], actor: string): Promise<void> {
    const deadlineAtMs = performance.now() + WRITE_MS_MAX;
    await this.#deps.system.write(operations, { actor, reason: "audit", deadlineAtMs });
    this.written += operations.length;
  }
}
