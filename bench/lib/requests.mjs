/** Requests to a node as bytes, made with the generated messages of the project. */
import { read, write } from "../../packages/proto/dist/index.js";
import { tuple } from "./tuples.mjs";

/** @typedef {import("../load/connection.mjs").Request} Request */
/** @typedef {import("./tuples.mjs").Tuple} Tuple */
/** @typedef {{ readonly organization: bigint, readonly vault: bigint }} VaultName */

/** Operations of one transaction at most. */
export const TRANSACTION_OPERATIONS = 1_000;

/**
 * @param {VaultName} name
 * @param {Tuple} asked
 * @param {{ prove?: boolean, trustedSize?: bigint }} [options] `trustedSize`: of the head that the client knows
 * @returns {Request}
 */
export function checkRequest(name, asked, { prove = false, trustedSize = 0n } = {}) {
  const request = read.CheckRequest.fromPartial({
    ...name,
    tuple: asked,
    ...(prove && { prove: { trustedSize, configHash: new Uint8Array(0) } }),
  });
  return {
    path: read.ReadServiceService.check.path,
    message: read.CheckRequest.encode(request).finish(),
  };
}

/**
 * @param {VaultName} name
 * @param {readonly Tuple[]} tuples
 * @returns {Request}
 */
export function batchCheckRequest(name, tuples) {
  const request = read.BatchCheckRequest.fromPartial({ ...name, tuples: [...tuples] });
  return {
    path: read.ReadServiceService.batchCheck.path,
    message: read.BatchCheckRequest.encode(request).finish(),
  };
}

/**
 * One transaction that creates the tuples [from, to).
 *
 * @param {VaultName} name
 * @param {number} from
 * @param {number} to
 * @returns {Request}
 */
export function importRequest(name, from, to) {
  const operations = [];
  for (let i = from; i < to; i++) {
    const value = { tuple: tuple(i), expiresAtMs: 0n };
    operations.push({ operation: { $case: /** @type {const} */ ("createRelationship"), value } });
  }
  const request = write.WriteRequest.fromPartial({
    ...name,
    transaction: { operations, clientId: "bench", idempotencyKey: `tuples-${from}-${to}` },
  });
  return {
    path: write.WriteServiceService.write.path,
    message: write.WriteRequest.encode(request).finish(),
  };
}

/**
 * What is wrong with the answer to an import request: every tuple is new, or written again by a replay.
 *
 * @param {Buffer} message
 * @param {number} operations
 */
export function importProblem(message, operations) {
  const { result } = write.WriteResponse.decode(message);
  if (result === undefined) return "no result";
  if (result.statuses.length !== operations) return "statuses missing";
  const created = write.OperationStatus.OPERATION_STATUS_CREATED;
  return result.statuses.every((status) => status === created) ? undefined : "not created";
}

/** Name of entity i of the benchmarks. @param {number} i */
export function entityKey(i) {
  return `doc:entity-${i.toString(36).padStart(4, "0")}`;
}

/**
 * One transaction that sets the entities [from, to).
 *
 * @param {VaultName} name
 * @param {number} from
 * @param {number} to
 * @returns {Request}
 */
export function setEntitiesRequest(name, from, to) {
  const operations = [];
  for (let i = from; i < to; i++) {
    const value = {
      key: entityKey(i),
      value: Buffer.from(`entity ${i}, some 40 bytes of a value`),
    };
    operations.push({ operation: { $case: /** @type {const} */ ("setEntity"), value } });
  }
  const request = write.WriteRequest.fromPartial({
    ...name,
    transaction: { operations, clientId: "bench", idempotencyKey: `entities-${from}-${to}` },
  });
  return {
    path: write.WriteServiceService.write.path,
    message: write.WriteRequest.encode(request).finish(),
  };
}

/**
 * Transactions of one tuple each: the tuples [from, to).
 *
 * @param {VaultName} name
 * @param {number} from
 * @param {number} to
 * @returns {Request}
 */
export function batchWriteRequest(name, from, to) {
  const transactions = [];
  for (let i = from; i < to; i++) {
    const value = { tuple: tuple(i), expiresAtMs: 0n };
    transactions.push({
      operations: [{ operation: { $case: /** @type {const} */ ("createRelationship"), value } }],
      ...{ clientId: "bench", idempotencyKey: `one-${i}` },
    });
  }
  const request = write.BatchWriteRequest.fromPartial({ ...name, transactions });
  return {
    path: write.WriteServiceService.batchWrite.path,
    message: write.BatchWriteRequest.encode(request).finish(),
  };
}

/** @param {VaultName} name @param {number} i @returns {Request} */
export function readRequest(name, i) {
  const request = read.ReadRequest.fromPartial({ ...name, key: entityKey(i) });
  return {
    path: read.ReadServiceService.read.path,
    message: read.ReadRequest.encode(request).finish(),
  };
}

/** @param {VaultName} name @param {readonly number[]} some @returns {Request} */
export function batchReadRequest(name, some) {
  const request = read.BatchReadRequest.fromPartial({ ...name, keys: some.map(entityKey) });
  return {
    path: read.ReadServiceService.batchRead.path,
    message: read.BatchReadRequest.encode(request).finish(),
  };
}

/** What a subject has. @param {VaultName} name @param {string} subject @returns {Request} */
export function listRequest(name, subject) {
  const request = read.ListRelationshipsRequest.fromPartial({ ...name, subject });
  return {
    path: read.ReadServiceService.listRelationships.path,
    message: read.ListRelationshipsRequest.encode(request).finish(),
  };
}
