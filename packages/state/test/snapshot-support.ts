/** What the tests of snapshots share: a ledger's snapshot as bytes, and a ledger made of one. */
import {
  type CanonicalOp,
  commitToValue,
  encodeDescriptor,
  encodeTransaction,
  type Predecessor,
} from "@authledger/proof";
import type { PageStore } from "@authledger/store";
import {
  FrameReader,
  type GroupState,
  type NoncedValue,
  type RestoreAuthority,
  type RestoredVault,
  type SealedTransaction,
  SnapshotExport,
  SnapshotInstall,
} from "../src/index.js";
import type { RenameLimits } from "../src/snapshot/snapshot-install.js";
import { hasher, type Ledger, newDisk, openState, openStore } from "./state-support.js";

/** The snapshot of a state, in pieces as they come. */
export function* snapshotPieces(state: GroupState): Generator<Uint8Array> {
  using pin = state.pinForExport();
  const { applied, cluster, incarnation } = state;
  yield* new SnapshotExport(pin, state.tables, hasher).bytes({
    cluster_id: cluster!.id,
    cluster_origin: cluster!.origin,
    incarnation,
    applied_index: applied.index,
    applied_term: applied.term,
    leader_time_ms: applied.leaderTimeMs,
  });
}

export function snapshotOf(state: GroupState): Uint8Array {
  return new Uint8Array(Buffer.concat([...snapshotPieces(state)]));
}

/** Seals what a restore writes, as an engine does. */
export function authority(ledger: Ledger, more: Partial<RestoreAuthority> = {}): RestoreAuthority {
  const { random } = ledger.leader;
  const seal = (
    timeMs: number,
    ops: readonly (CanonicalOp & { plain: Uint8Array })[],
  ): SealedTransaction => {
    const values: NoncedValue[] = [];
    const sealed = ops.map(({ plain, ...op }): CanonicalOp => {
      const nonce = random.bytes(16);
      values.push({ nonce, value: plain });
      return { ...op, value: commitToValue(hasher, nonce, plain) } as CanonicalOp;
    });
    const head = { id: new Uint8Array(16), clientId: "", sequence: 0, actor: "system", reason: "" };
    return { canonical: encodeTransaction({ ...head, timestampMs: timeMs, ops: sealed }), values };
  };
  return {
    clusterId: "1".repeat(32),
    timeMs: ledger.leader.timeMs,
    genesis: (origin: string, predecessor: Predecessor, timeMs) => {
      const plain = encodeDescriptor(origin, predecessor);
      const op = {
        op: "set_record",
        partition: "ledger",
        group: "genesis",
        item: "",
        plain,
      } as const;
      return seal(timeMs, [op as never]);
    },
    entities: (entities, timeMs) =>
      seal(
        timeMs,
        entities.map(({ key, value: plain }) => {
          const condition = { kind: "none" } as const;
          return { op: "set_entity", key, expiresAtMs: 0, condition, plain } as never;
        }),
      ),
    ...more,
  };
}

export interface Restored {
  readonly store: PageStore;
  readonly state: GroupState;
  readonly vaults: readonly RestoredVault[];
}

/** Restores a snapshot that comes in pieces of `step` bytes. */
export async function restore(
  ledger: Ledger,
  snapshot: Uint8Array,
  {
    step = 50_000,
    renames,
    ...more
  }: Partial<RestoreAuthority> & { readonly step?: number; readonly renames?: RenameLimits } = {},
): Promise<Restored> {
  const store = await openStore(await newDisk(), ledger.leader.random);
  const vaults: RestoredVault[] = [];
  const onVault = (vault: RestoredVault): number => vaults.push(vault);
  const install = new SnapshotInstall(store, hasher, authority(ledger, more), onVault, renames);
  const reader = new FrameReader(hasher);
  for (let at = 0; at < snapshot.length; at += step) {
    for (const frame of reader.push(snapshot.subarray(at, at + step))) install.take(frame);
    if (store.dirtyBytes > 1 << 20) await store.flush(install.prepareFlush());
  }
  reader.end();
  await store.flush(install.finish(reader.offset));
  return { store, state: openState(store), vaults };
}
