/** What the tests of replicas' snapshots share: a state as a stream, and a state loaded from one. */
import type { PageStore } from "@authledger/store";
import {
  FrameReader,
  type GroupState,
  ReplicaLoad,
  ReplicaSnapshot,
  verifyReplica,
} from "../src/index.js";
import { REPLICA_MAGIC } from "../src/replica/replica-sections.js";
import { type Frame, FrameWriter } from "../src/snapshot/frames.js";
import { hasher, type Ledger, newDisk, openState, openStore } from "./state-support.js";

export function replicaOf(source: { state: GroupState; store: PageStore }): Uint8Array {
  const snapshot = ReplicaSnapshot.of({ ...source, hasher }, 1);
  const bytes = new Uint8Array(Buffer.concat([...snapshot.bytes()]));
  snapshot.release();
  return bytes;
}

export function framesOf(bytes: Uint8Array): Frame[] {
  return [...new FrameReader(hasher, REPLICA_MAGIC).push(bytes)];
}

/** A stream of these frames whose checks are right. */
export function framed(frames: readonly { type: number; payload: Uint8Array }[]): Uint8Array {
  const writer = new FrameWriter(hasher, REPLICA_MAGIC);
  const parts = frames.map(({ type, payload }) => writer.frame(type, payload));
  return new Uint8Array(Buffer.concat([REPLICA_MAGIC, ...parts]));
}

/** Loads a stream in pieces of `step` bytes into a new store, one of the applied index `at`, and verifies it. */
export async function load(
  ledger: Ledger,
  bytes: Uint8Array,
  {
    step = 100_000,
    at = ledger.state.applied,
  }: { readonly step?: number; readonly at?: { index: number; term: number } } = {},
): Promise<{ store: PageStore; state: GroupState }> {
  const { index, term } = at;
  const { id: clusterId } = ledger.state.cluster!;
  const store = await openStore(await newDisk(), ledger.leader.random);
  const replica = new ReplicaLoad(store, { clusterId, group: 1, index, term });
  const reader = new FrameReader(hasher, REPLICA_MAGIC);
  const { random } = ledger.leader;
  for (let at = 0; at < bytes.length; at += step) {
    for (const frame of reader.push(bytes.subarray(at, at + step))) replica.take(frame);
    if (random.chance(0.02)) await store.flush(replica.prepareFlush());
  }
  reader.end();
  const applied = replica.finish(reader.offset);
  await store.flush(applied);
  await store.flush(applied);
  for (const _ of verifyReplica(store, replica.start!, hasher));
  return { store, state: openState(store) };
}
