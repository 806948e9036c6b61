/** ReadService of a fake ledger. */
import { decodeTupleCondition } from "@authledger/authz";
import {
  blockHash,
  entityKey,
  isLive,
  Kind,
  type LedgerKey,
  tupleKey,
  tupleOfKey,
} from "@authledger/proof";
import type { common, read } from "@authledger/proto";
import {
  LedgerError,
  limits,
  type Tuple,
  validateEntityKey,
  validateRelation,
  validateResource,
  validateSubject,
} from "@authledger/types";
import { tupleConditionMessage } from "../calls/convert.js";
import type { VaultName } from "../options.js";
import { nodeCrypto } from "../verify/node-crypto.js";
import type { Questions } from "./commitment.js";
import { checkCount, numberOf, pageSizeOf, tupleOf } from "./requests.js";
import type { FakeState } from "./state.js";
import {
  decodeListPosition,
  decodePageToken,
  encodeListPosition,
  encodePageToken,
} from "./tokens.js";
import type { Found } from "./vault.js";
import { entityMessage, View } from "./view.js";

type Reply<T> = T & { readonly proof?: common.Proof | undefined };

export class FakeReads {
  readonly #state: FakeState;

  constructor(state: FakeState) {
    this.#state = state;
  }

  read(request: read.ReadRequest): read.ReadResponse {
    validateEntityKey(request.key);
    const view = this.#view(request);
    return {
      entity: entityAt(view, request.key),
      ...this.#answered(view, entityGets([request.key])),
    };
  }

  batchRead(request: read.BatchReadRequest): read.BatchReadResponse {
    const { keys } = request;
    checkCount(keys.length, limits.BATCH_READ_MAX, "keys");
    for (const key of keys) validateEntityKey(key);
    const view = this.#view(request);
    const results = keys.map((key) => ({ entity: entityAt(view, key) }));
    return { results, ...this.#answered(view, entityGets(keys)) };
  }

  check(request: read.CheckRequest): read.CheckResponse {
    const tuple = tupleOf(request.tuple);
    const view = this.#view(request);
    const questions = { gets: [tupleKey(tuple)], lists: [] };
    return { allowed: isStored(view, tuple), ...this.#answered(view, questions) };
  }

  batchCheck(request: read.BatchCheckRequest): read.BatchCheckResponse {
    checkCount(request.tuples.length, limits.BATCH_READ_MAX, "tuples");
    const tuples = request.tuples.map(tupleOf);
    const view = this.#view(request);
    const questions = { gets: tuples.map(tupleKey), lists: [] };
    const allowed = tuples.map((tuple) => isStored(view, tuple));
    return { allowed, ...this.#answered(view, questions) };
  }

  listRelationships(request: read.ListRelationshipsRequest): read.ListRelationshipsResponse {
    const { resource, relation, subject, prove } = request;
    checkFilter(request);
    const limit = pageSizeOf(request.pageSize);
    const { organization, vault } = request;
    const query = `${organization}/${vault}/${JSON.stringify([resource, relation, subject])}`;
    const token = decodePageToken(query, request.pageToken);
    const position = token && decodeListPosition(token);
    const view = this.#view(request, position);
    const from = position?.path;
    const kind =
      resource === undefined && subject !== undefined ? Kind.tupleBySubject : Kind.tupleByResource;
    const isWanted = (key: LedgerKey): boolean =>
      key.kind === kind && isOf(request, tupleOfKey(key));
    const rest = live(view, view.records(isWanted)).filter(
      ({ path }) => from === undefined || Buffer.compare(path, from) >= 0,
    );
    const page = rest.slice(0, limit);
    const next = rest[limit]?.path;
    const questions = prove === undefined ? NOTHING : listQuestions(request, page);
    const bounds = { pageFrom: from, pageTo: next };
    return {
      relationships: page.map((found) => relationshipOf(view, found)),
      nextPageToken:
        next === undefined
          ? new Uint8Array(0)
          : encodePageToken(
              query,
              encodeListPosition({ height: view.height, timeMs: view.timeMs, path: next }),
            ),
      ...this.#answered(view, { ...withBounds(questions, from, next), ...bounds }),
    };
  }

  getTip(request: read.GetTipRequest): read.GetTipResponse {
    const view = this.#view({ ...request, prove: undefined });
    const header = view.header(view.height);
    const hash = blockHash(nodeCrypto.hasher, header);
    return { header, blockHash: hash, height: BigInt(view.height), token: view.token };
  }

  getBlock(request: read.GetBlockRequest): read.GetBlockResponse {
    const height = numberOf(request.height, "height");
    const view = this.#view(request);
    const newest = view.open.vault.size - 1;
    const block = view.open.vault.blocks[height];
    if (block === undefined) {
      const message = `there is no block ${height}; the newest is ${newest}`;
      throw new LedgerError("BLOCK_NOT_FOUND", message, { details: { height, newest } });
    }
    if (request.transactions) view.open.vault.requireKept(height);
    const header = view.header(height);
    const { prove } = request;
    return {
      header,
      blockHash: blockHash(nodeCrypto.hasher, header),
      transactions: request.transactions ? [...block.transactions] : [],
      token: view.token,
      proof: prove && view.proofOfHeader(height, prove),
    };
  }

  getCheckpoint(request: read.GetCheckpointRequest): read.GetCheckpointResponse {
    const view = this.#view({ ...request, prove: undefined });
    const { commitment, vault } = view.open;
    const trusted = numberOf(request.trustedSize, "trusted_size");
    return {
      checkpoint: commitment.checkpoint(this.#state.clock.nowMs()),
      consistencyProof: commitment.consistency(trusted, vault.size),
      token: view.token,
    };
  }

  getConsistencyProof(request: read.GetConsistencyProofRequest): read.GetConsistencyProofResponse {
    const { commitment, vault } = this.#state.vault(request);
    const fromSize = numberOf(request.fromSize, "from_size");
    const toSize = numberOf(request.toSize, "to_size");
    if (fromSize > toSize || toSize > vault.size) {
      const message = `sizes ${fromSize} and ${toSize}: the history has ${vault.size} blocks`;
      throw new LedgerError("INVALID_ARGUMENT", message, { details: { size: vault.size } });
    }
    return { proof: commitment.consistency(fromSize, toSize) };
  }

  /** The vaults of the fake keep their first policy. */
  listPolicyBundles(request: read.ListPolicyBundlesRequest): read.ListPolicyBundlesResponse {
    this.#state.vault(request);
    return { bundles: [], newestEpoch: 1n };
  }

  reportCheckpoint(request: read.ReportCheckpointRequest): read.ReportCheckpointResponse {
    const { commitment } = this.#state.vault(request);
    try {
      return { judgement: commitment.judgementOf(request.checkpoint) };
    } catch (cause) {
      const message = `the checkpoint is no signed head of this vault: ${String(cause)}`;
      const details = { field: "checkpoint" };
      throw new LedgerError("INVALID_ARGUMENT", message, { details, cause });
    }
  }

  #view(
    request: VaultName & {
      readonly consistency?: common.Consistency | undefined;
      readonly prove?: common.Prove | undefined;
    },
    moment?: { readonly height: number; readonly timeMs: number },
  ): View {
    return new View(this.#state, request, moment);
  }

  #answered(view: View, questions: Questions): Reply<{ height: bigint; token: Uint8Array }> {
    return { ...view.at, proof: view.proof(questions) };
  }
}

const NOTHING: Questions = { gets: [], lists: [] };

function entityGets(keys: readonly string[]): Questions {
  return { gets: keys.map(entityKey), lists: [] };
}

function live(view: View, found: readonly Found[]): Found[] {
  return found.filter(({ record }) => isLive(record, view.timeMs));
}

function isStored(view: View, tuple: Tuple): boolean {
  const found = view.get(tupleKey(tuple));
  return found !== undefined && isLive(found.record, view.timeMs);
}

function entityAt(view: View, key: string): common.Entity | undefined {
  const found = view.get(entityKey(key));
  return found && isLive(found.record, view.timeMs) ? entityMessage(found) : undefined;
}

/** A tuple's condition lies with its authoritative direction. */
function relationshipOf(view: View, { key, record }: Found): common.Relationship {
  const { version, expiresAtMs } = record;
  const tuple = tupleOfKey(key);
  const stored = record.value && view.get(tupleKey(tuple))?.value;
  const condition = stored && tupleConditionMessage(decodeTupleCondition(stored.value));
  const conditionNonce = stored?.nonce ?? new Uint8Array(0);
  return { tuple, version, expiresAtMs, condition, conditionNonce };
}

function isOf(filter: read.ListRelationshipsRequest, tuple: Tuple): boolean {
  return (["resource", "relation", "subject"] as const).every(
    (part) => filter[part] === undefined || filter[part] === tuple[part],
  );
}

function checkFilter({ resource, relation, subject, prove }: read.ListRelationshipsRequest): void {
  if (resource !== undefined) validateResource(resource);
  if (relation !== undefined) validateRelation(relation);
  if (subject !== undefined) validateSubject(subject);
  if (prove === undefined || resource !== undefined || subject !== undefined) return;
  throw new LedgerError("INVALID_ARGUMENT", "a proven list needs a resource or a subject", {
    details: { field: "prove" },
  });
}

/** One tuple is a get; a list is the subtree of its resource or subject, with the twins of hits by subject. */
function listQuestions(
  { resource, relation, subject }: read.ListRelationshipsRequest,
  page: readonly Found[],
): Questions {
  if (resource !== undefined && relation !== undefined && subject !== undefined) {
    return { gets: [tupleKey({ resource, relation, subject })], lists: [] };
  }
  if (resource !== undefined) {
    return {
      gets: [],
      lists: [{ kind: Kind.tupleByResource, partition: resource, group: relation }],
    };
  }
  return {
    gets: page.map(({ key }) => tupleKey(tupleOfKey(key))),
    lists: [{ kind: Kind.tupleBySubject, partition: subject ?? "", group: relation }],
  };
}

function withBounds(
  { gets, lists }: Questions,
  from: Uint8Array | undefined,
  to: Uint8Array | undefined,
): Questions {
  return { gets, lists: lists.map((list) => ({ ...list, from, to })) };
}
