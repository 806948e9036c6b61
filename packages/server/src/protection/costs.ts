/**
 * What a call costs, in units: 1 is a check of one tuple, or one operation of a write. The weights follow what the calls
 * cost a processor, roughly; they are a price list, not a measurement. docs/operations.md shows this table.
 *
 * Calls of administration, of the cluster and of the standard services are reserved: they are few, and are what an operator
 * needs when all else is too much; the node's limit and its overload protection leave them alone.
 */
import type { MethodInfo } from "../gate/method.js";

/** A proof reads and hashes some hundred siblings and may wait for a signature. */
const PROOF = 10;
/** A page of a list, a range of blocks, the opening of a stream. */
const LIST = 10;
/** What walks groups: expansions, lists of objects and users. */
const WALK = 20;
/** A model is parsed, compiled, validated and tried. */
const MODEL = 50;

const RESERVED_SERVICES: readonly string[] = ["AdminService", "ClusterService", "IamService"];

/** How a method's calls are charged. */
export interface Charge {
  readonly kind: "read" | "write";
  readonly isReserved: boolean;
  /** Whole and at least 1. */
  units(request: object): number;
}

/** What of a request makes it cost more. Every field may be missing. */
interface Weighed {
  readonly prove?: unknown;
  readonly tuples?: readonly unknown[];
  readonly keys?: readonly unknown[];
  readonly relations?: readonly unknown[];
  readonly transactions?: readonly WeighedTransaction[];
  readonly transaction?: WeighedTransaction | undefined;
}

interface WeighedTransaction {
  readonly operations?: readonly unknown[];
}

type Units = (request: Weighed) => number;

/** A proof is asked for by a message or by a flag. */
function proof({ prove }: Weighed): number {
  return prove === undefined || prove === false ? 0 : PROOF;
}

function operationsOf(transaction: WeighedTransaction | undefined): number {
  return Math.max(1, transaction?.operations?.length ?? 0);
}

/** One proof covers a whole batch, but each of its answers adds to it. */
function batch(length: number | undefined, request: Weighed): number {
  const items = Math.max(1, length ?? 0);
  return proof(request) === 0 ? items : items * 2 + PROOF;
}

const single: Units = (request) => 1 + proof(request);
const list: Units = (request) => LIST + proof(request);
const walk: Units = (request) => WALK + proof(request);
const model: Units = () => MODEL;

function batchWrite(request: Weighed): number {
  let units = proof(request);
  for (const transaction of request.transactions ?? []) units += operationsOf(transaction);
  return Math.max(1, units);
}

/** By service and method; what is not named costs 1, and of AdminService, ClusterService and IamService is a write. */
const UNITS: Readonly<Record<string, Units>> = {
  "WriteService/write": (request) => operationsOf(request.transaction) + proof(request),
  "WriteService/batchWrite": batchWrite,
  "ReadService/read": single,
  "ReadService/check": single,
  "ReadService/getBlockProof": list,
  "ReadService/getCheckpoint": single,
  "ReadService/batchRead": (request) => batch(request.keys?.length, request),
  "ReadService/batchCheck": (request) => batch(request.tuples?.length, request),
  "ReadService/listRelationships": list,
  "ReadService/listEntities": list,
  "ReadService/listResources": list,
  "ReadService/getConsistencyProof": list,
  "ReadService/getBlockRange": list,
  "ReadService/listChanges": list,
  "ReadService/watchBlocks": list,
  "ReadService/watchChanges": list,
  "AuthorizationService/check": single,
  "AuthorizationService/batchCheck": (request) => batch(request.tuples?.length, request),
  "AuthorizationService/listRelations": (request) => batch(request.relations?.length, request),
  "AuthorizationService/expand": walk,
  "AuthorizationService/listObjects": walk,
  "AuthorizationService/listUsers": walk,
  "AuthorizationService/explain": walk,
  "ModelService/validateModel": model,
  "ModelService/deployModel": model,
  "ModelService/activateModel": model,
  "ModelService/rollbackModel": model,
  "ModelService/diffModels": model,
  "ModelService/setAssertions": model,
};

const MODEL_WRITES: readonly string[] = [
  "deployModel",
  "activateModel",
  "rollbackModel",
  "setAssertions",
];

/** @example chargeOf(method).units(request) */
export function chargeOf({ service, name }: MethodInfo): Charge {
  const isReserved = RESERVED_SERVICES.includes(service);
  const isWrite = isReserved || service === "WriteService" || MODEL_WRITES.includes(name);
  const units = UNITS[`${service}/${name}`] ?? (() => 1);
  return { kind: isWrite ? "write" : "read", isReserved, units };
}
