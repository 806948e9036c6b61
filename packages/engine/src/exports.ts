/**
 * Snapshots on their way out. Each reads from one export pin of the page store, taken behind a flush, so that what
 * it keeps is on the disk; writes go on beside it.
 *
 *   INV-EXPORT-1  A part is made when it is asked for, a turn of the loop after the one before: an export that
 *                 nobody takes makes nothing, and writers wait for one part at most.
 *   INV-EXPORT-2  However an export ends, and also when nobody asks any more, its pin ends.
 */
import type { Clock, Timers } from "@authledger/io";
import { type GroupState, SnapshotExport } from "@authledger/state";
import type { Pin } from "@authledger/store";
import { type Hasher, LedgerError } from "@authledger/types";
import type { Flusher } from "./flusher.js";
import { EXPORT_CHUNK_BYTES, EXPORT_IDLE_MS } from "./limits.js";
import type { EngineReply } from "./port.js";

export interface ExportDeps {
  readonly state: GroupState;
  readonly flusher: Flusher;
  readonly clock: Clock;
  readonly hasher: Hasher;
  readonly timers: Timers;
}

interface Running {
  readonly pin: Pin;
  readonly bytes: Generator<Uint8Array>;
  /** Made and not yet given out. */
  rest: Uint8Array;
  askedAtMs: number;
}

const NOTHING = new Uint8Array(0);

export class Exports {
  readonly #deps: ExportDeps;
  readonly #running = new Map<number, Running>();
  #next = 1;
  #isClosed = false;

  constructor(deps: ExportDeps) {
    this.#deps = deps;
  }

  /** @throws LedgerError (by rejection) PIN_LIMIT */
  async begin(): Promise<EngineReply<"export_begin">> {
    const { state, flusher, clock, hasher } = this.#deps;
    await flusher.flush();
    if (this.#isClosed) throw new LedgerError("SHUTTING_DOWN", "the node is shutting down");
    const pin = state.pinForExport();
    const { applied, cluster, incarnation } = state;
    const bytes = new SnapshotExport(pin, state.tables, hasher).bytes({
      cluster_id: cluster!.id,
      cluster_origin: cluster!.origin,
      incarnation,
      applied_index: applied.index,
      applied_term: applied.term,
      leader_time_ms: applied.leaderTimeMs,
    });
    const id = this.#next++;
    this.#running.set(id, { pin, bytes, rest: NOTHING, askedAtMs: clock.monotonicMs() });
    return { export: id };
  }

  /** @throws LedgerError (by rejection) EXPORT_ENDED */
  async next(id: number): Promise<EngineReply<"export_next">> {
    await this.#deps.timers.yield();
    const running = this.#running.get(id);
    if (running === undefined) throw ended("nobody took its parts");
    running.askedAtMs = this.#deps.clock.monotonicMs();
    try {
      const chunk = nextChunk(running);
      if (chunk !== undefined) return { chunk };
    } catch (error) {
      this.end(id);
      const { code, message } = LedgerError.from(error);
      throw code === "PIN_EXPIRED" ? ended(message) : error;
    }
    this.end(id);
    return {};
  }

  end(id: number): EngineReply<"export_end"> {
    this.#running.get(id)?.pin.release();
    this.#running.delete(id);
    return {};
  }

  /** Once a second: ends what nobody takes. */
  tick(): void {
    const now = this.#deps.clock.monotonicMs();
    for (const [id, { askedAtMs }] of this.#running) {
      if (now - askedAtMs >= EXPORT_IDLE_MS) this.end(id);
    }
  }

  /** The state becomes another one. */
  endRunning(): void {
    for (const id of [...this.#running.keys()]) this.end(id);
  }

  /** The node stops. */
  endAll(): void {
    this.#isClosed = true;
    this.endRunning();
  }
}

/** Up to EXPORT_CHUNK_BYTES; undefined at the end. */
function nextChunk(running: Running): Uint8Array | undefined {
  const parts = [running.rest];
  let length = running.rest.length;
  while (length < EXPORT_CHUNK_BYTES) {
    const { value, done } = running.bytes.next();
    if (done === true) break;
    parts.push(value);
    length += value.length;
  }
  const all = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  running.rest = all.subarray(EXPORT_CHUNK_BYTES);
  return length === 0 ? undefined : all.subarray(0, EXPORT_CHUNK_BYTES);
}

function ended(why: string): LedgerError {
  return new LedgerError("EXPORT_ENDED", `the export has ended: ${why}`);
}
