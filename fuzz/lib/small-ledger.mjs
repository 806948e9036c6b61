// @ts-check
/** A ledger of one organization and one vault with a few blocks, and its snapshot as frames. */
import { product, utf8 } from "./product.mjs";

const state = await product("state");
const frames = await product("state", "snapshot/frames.js");
const proof = await product("proof");
const { PageStore } = await product("store");
const { MemoryDisk, NodeHasher, SeededRandom, nodeClock, nodeTimers } = await product("io");

export const hasher = new NodeHasher();
const TIME = 1_700_000_000_000;

/** An empty store on a disk of its own. */
export async function emptyStore() {
  const disk = new MemoryDisk();
  const random = new SeededRandom(1);
  const options = {
    path: "/state.db",
    pageBytes: 4_096,
    cacheBytes: 512 * 4_096,
    groupId: 0,
    incarnation: new Uint8Array(16),
  };
  return PageStore.open(options, { disk, clock: nodeClock, timers: nodeTimers, random });
}

/** @param {readonly any[]} ops values are given as `plain` */
function seal(ops, sequence = 0, timestampMs = TIME) {
  /** @type {{ nonce: Uint8Array, value: Uint8Array }[]} */
  const values = [];
  const sealed = ops.map(({ plain, ...op }) => {
    if (plain === undefined) return op;
    const nonce = new Uint8Array(16).fill(values.length + 1);
    values.push({ nonce, value: plain });
    return { ...op, value: proof.commitToValue(hasher, nonce, plain) };
  });
  const head = { id: new Uint8Array(16), clientId: "c", actor: "test", reason: "" };
  const transaction = { ...head, sequence, timestampMs, ops: sealed };
  return { canonical: proof.encodeTransaction(transaction), values };
}

const none = { kind: "none" };
/** @param {string} key @param {Uint8Array} plain */
const setEntity = (key, plain) => ({
  op: "set_entity",
  key,
  expiresAtMs: 0,
  condition: none,
  plain,
});
/** @param {string} origin @param {any} [predecessor] @param {number} [timeMs] */
const genesis = (origin, predecessor, timeMs) =>
  seal(
    [
      {
        op: "set_record",
        partition: "ledger",
        group: "genesis",
        item: "",
        plain: proof.encodeDescriptor(origin, predecessor),
      },
    ],
    0,
    timeMs,
  );

/** @param {number} vault @param {readonly any[]} ops @param {number} sequence */
const transaction = (vault, ops, sequence) => ({
  kind: "transaction",
  vault,
  idempotencyKey: `k${sequence}`,
  payloadHash: new Uint8Array(32).fill(sequence),
  transaction: seal(ops, sequence),
});

/** @param {any} store */
async function makeState(store) {
  const group = new state.GroupState(store, hasher);
  const salt = new Uint8Array(32).fill(9);
  const tuple = { resource: "document:a", relation: "viewer", subject: "user:b" };
  const entity = { name: "acme", status: "active", created_ms: TIME };
  const registration = state.encodeVaultEntity({
    name: "v",
    status: "active",
    origin: "test.example/7/9",
    vaultRef: proof.vaultRef(hasher, "test.example/7/9", salt),
    created_ms: TIME,
  });
  const entries = [
    [
      {
        kind: "init",
        clusterId: "0".repeat(32),
        clusterOrigin: "test.example",
        salt,
        genesis: genesis("test.example/0/0"),
      },
    ],
    [transaction(0, [setEntity("org:7", utf8(JSON.stringify(entity)))], 1)],
    [
      {
        kind: "create_vault",
        organization: 7n,
        slug: 9n,
        salt,
        registration: seal([setEntity(state.vaultEntityKey(7n, 9n), registration)], 2),
        genesis: genesis("test.example/7/9"),
      },
    ],
    [transaction(1, [{ op: "create_tuple", tuple, expiresAtMs: 0 }], 1)],
    [transaction(1, [setEntity("config:a", utf8("value"))], 2)],
  ];
  entries.forEach((items, at) => {
    const payload = state.encodeEntry({ timeMs: TIME, items });
    group.apply(at + 1, 1, payload);
  });
  return group;
}

/** The frames of the ledger's snapshot. */
export async function snapshotFrames() {
  const group = await makeState(await emptyStore());
  const pin = group.pinForExport();
  const { applied, cluster, incarnation } = group;
  const snapshot = new state.SnapshotExport(pin, group.tables, hasher).bytes({
    cluster_id: cluster.id,
    cluster_origin: cluster.origin,
    incarnation,
    applied_index: applied.index,
    applied_term: applied.term,
    leader_time_ms: applied.leaderTimeMs,
  });
  const reader = new frames.FrameReader(hasher);
  const all = [];
  const pieces = [];
  for (const piece of snapshot) {
    pieces.push(piece);
    all.push(...reader.push(piece));
  }
  pin[Symbol.dispose]();
  return { frames: all, bytes: new Uint8Array(Buffer.concat(pieces)) };
}

/** The frames of the ledger's snapshot for another replica, and what it is of. */
export async function replicaFrames() {
  const store = await emptyStore();
  const group = await makeState(store);
  const snapshot = state.ReplicaSnapshot.of({ state: group, store, hasher }, 1);
  const reader = new frames.FrameReader(hasher, state.REPLICA_MAGIC);
  const all = [];
  for (const piece of snapshot.bytes()) all.push(...reader.push(piece));
  snapshot.release();
  return { frames: all, head: snapshot.head };
}

/** What a restore writes of its own. */
export const authority = {
  clusterId: "1".repeat(32),
  timeMs: TIME,
  genesis,
  /** @param {readonly { key: string, value: Uint8Array }[]} entities @param {number} timeMs */
  entities: (entities, timeMs) =>
    seal(
      entities.map(({ key, value }) => setEntity(key, value)),
      0,
      timeMs,
    ),
};
