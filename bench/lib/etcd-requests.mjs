/**
 * The few requests of etcd's API that the benchmarks play, as bytes. Field numbers: etcd 3.4, api/etcdserverpb/rpc.proto
 * and api/mvccpb/kv.proto. Written by hand, so that no client of etcd's is needed.
 */

/** @typedef {import("../load/connection.mjs").Request} Request */

const VARINT = 0;
const BYTES = 2;
/** What a value holds: about what a tuple's record weighs with us. */
const VALUE = Buffer.alloc(64, 0x76);

/** @param {number | bigint} value */
function varint(value) {
  const bytes = [];
  let rest = BigInt(value);
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}

/** @param {number} number @param {Buffer} content */
function field(number, content) {
  return Buffer.concat([varint((number << 3) | BYTES), varint(content.length), content]);
}

/** @param {string} key @param {Buffer} [value] */
function put(key, value = VALUE) {
  return Buffer.concat([field(1, Buffer.from(key)), field(2, value)]);
}

/** A key as long as a tuple of the benchmarks is. @param {number} i */
function keyOf(i) {
  return `document:d-${i.toString(36).padStart(8, "0")}#viewer@user:u-${(i * 7).toString(36)}`;
}

/** @param {number} i @returns {Request} */
export function putRequest(i) {
  return { path: "/etcdserverpb.KV/Put", message: put(keyOf(i)) };
}

/**
 * A transaction of puts. For every tuple etcd must write a forward and a reverse key, since it has one order only.
 *
 * @param {number} from
 * @param {number} to tuples [from, to), so twice as many puts
 * @returns {Request}
 */
export function transactionRequest(from, to) {
  const keys = [];
  for (let i = from; i < to; i++) keys.push(`f/${keyOf(i)}`, `r/${keyOf(i)}`);
  return putAll(keys);
}

/** The keys [from, to) as gets ask for them, in one transaction. @param {number} from @param {number} to @returns {Request} */
export function putsRequest(from, to) {
  return putAll(Array.from({ length: to - from }, (_, i) => keyOf(from + i)));
}

/** TxnRequest.success = 2, RequestOp.request_put = 2. @param {readonly string[]} keys @returns {Request} */
function putAll(keys) {
  const message = Buffer.concat(keys.map((key) => field(2, field(2, put(key)))));
  return { path: "/etcdserverpb.KV/Txn", message };
}

/** A linearizable get. @param {number} i @returns {Request} */
export function getRequest(i) {
  return { path: "/etcdserverpb.KV/Range", message: field(1, Buffer.from(keyOf(i))) };
}

/** @returns {Request} */
export function statusRequest() {
  return { path: "/etcdserverpb.Maintenance/Status", message: Buffer.alloc(0) };
}

/** The next term's leader. @param {bigint} target @returns {Request} */
export function moveLeaderRequest(target) {
  const message = Buffer.concat([varint((1 << 3) | VARINT), varint(target)]);
  return { path: "/etcdserverpb.Maintenance/MoveLeader", message };
}

/** Who answered a status request, and who leads: ResponseHeader.member_id and StatusResponse.leader. @param {Buffer} message */
export function memberIdOf(message) {
  const header = fieldsOf(message).get(1);
  const self = Buffer.isBuffer(header) ? fieldsOf(header).get(2) : 0n;
  const leader = fieldsOf(message).get(4);
  return {
    self: typeof self === "bigint" ? self : 0n,
    leader: typeof leader === "bigint" ? leader : 0n,
  };
}

/** What is wrong with the answer to a get: RangeResponse.count is 1. @param {Buffer} message */
export function getProblem(message) {
  return fieldsOf(message).get(4) === 1n ? undefined : "the key is not there";
}

/** TxnResponse.succeeded. @param {Buffer} message */
export function transactionProblem(message) {
  return fieldsOf(message).get(2) === 1n ? undefined : "the transaction did not succeed";
}

/** PutResponse.header. @param {Buffer} message */
export function putProblem(message) {
  return fieldsOf(message).has(1) ? undefined : "no revision";
}

/**
 * The last value of each field.
 *
 * @param {Buffer} message
 * @returns {Map<number, bigint | Buffer>}
 */
function fieldsOf(message) {
  const fields = new Map();
  let at = 0;
  const number = () => {
    let value = 0n;
    for (let shift = 0n; at < message.length; shift += 7n) {
      const byte = message[at++] ?? 0;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    return value;
  };
  while (at < message.length) {
    const tag = Number(number());
    if ((tag & 7) === VARINT) fields.set(tag >> 3, number());
    else if ((tag & 7) === BYTES) {
      const length = Number(number());
      fields.set(tag >> 3, message.subarray(at, at + length));
      at += length;
    } else throw new Error(`field ${tag >> 3} is of wire type ${tag & 7}`);
  }
  return fields;
}
