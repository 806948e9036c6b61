/**
 * A replica's state for another replica: every table row by row as of one pin (docs/format/replica-snapshot.md). Who
 * loads it holds exactly the same state, so it goes on with the next log entry. An export for people is something
 * else: it restores as another ledger (snapshot/snapshot-export.ts).
 *
 *   INV-REPLICA-1  Everything comes from one pin, which holds the state at the applied index that the head names.
 *
 * Each step reads one frame's worth of rows; nothing is read ahead.
 */
import type { PageStore, Pin } from "@authledger/store";
import { assert, fromHex, type Hasher } from "@authledger/types";
import type { GroupState } from "../group-state.js";
import { FrameWriter } from "../snapshot/frames.js";
import {
  encodeEnd,
  encodeHead,
  REPLICA_MAGIC,
  ReplicaFrame,
  type ReplicaHead,
  type ReplicaTable,
  RowsWriter,
} from "./replica-sections.js";

export class ReplicaSnapshot {
  readonly head: ReplicaHead;
  readonly #pin: Pin;
  readonly #tables: readonly ReplicaTable[];
  readonly #frames: FrameWriter;

  private constructor(
    head: ReplicaHead,
    pin: Pin,
    tables: readonly ReplicaTable[],
    hasher: Hasher,
  ) {
    this.head = head;
    this.#pin = pin;
    this.#tables = tables;
    this.#frames = new FrameWriter(hasher, REPLICA_MAGIC);
  }

  /**
   * Pins the state as it is now; `release` gives the pin up.
   * @throws LedgerError PIN_LIMIT
   */
  static of(
    source: { readonly state: GroupState; readonly store: PageStore; readonly hasher: Hasher },
    group: number,
  ): ReplicaSnapshot {
    const { state, store, hasher } = source;
    assert(state.cluster !== undefined, "a group without its first entry has no snapshot");
    const pin = state.pinForExport();
    const { index, term, configIndex, leaderTimeMs, digest } = state.applied;
    const tables = store.tables.map(({ id, name }) => ({ id, name, rows: pin.table(id).count }));
    const place = { index, term, configIndex, leaderTimeMs, digest };
    const configuration = new Uint8Array(state.configuration ?? []);
    const head = { ...place, clusterId: state.cluster.id, group, configuration };
    return new ReplicaSnapshot(head, pin, tables, hasher);
  }

  /**
   * The stream, some 64 KiB at a step.
   * @throws LedgerError PIN_EXPIRED when the pin has ended meanwhile
   */
  *bytes(): Generator<Uint8Array> {
    let bytes = 0;
    let rows = 0;
    const counted = (part: Uint8Array): Uint8Array => {
      bytes += part.length;
      return part;
    };
    yield counted(REPLICA_MAGIC);
    const head = encodeHead(fromHex(this.head.clusterId), this.head, this.#tables);
    yield counted(this.#frames.frame(ReplicaFrame.head, head));
    const writer = new RowsWriter();
    for (const { id } of this.#tables) {
      const cursor = this.#pin.table(id).cursor();
      for (let ok = cursor.first(); ok; ok = cursor.next()) {
        writer.add(id, cursor.key, cursor.value);
        rows++;
        if (writer.isFull) yield counted(this.#frames.frame(ReplicaFrame.rows, writer.take()));
      }
      if (!writer.isEmpty) yield counted(this.#frames.frame(ReplicaFrame.rows, writer.take()));
    }
    const { chain } = this.#frames;
    yield this.#frames.frame(ReplicaFrame.end, encodeEnd({ rows, bytes, chain }));
  }

  /** Gives the view up; a second time is nothing. */
  release(): void {
    this.#pin.release();
  }
}
