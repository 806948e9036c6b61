/**
 * An engine in plain maps, for tests of the front only: it keeps what is written, pages lists, records every
 * call, and fails or waits where a test says so. It proves nothing; its proofs are recognizable bytes.
 */
import type {
  AnswerPoint,
  AnswerProof,
  AuthorizationCalls,
  ClusterCalls,
  EngineCall,
  EnginePort,
  EngineReply,
  EngineRequest,
  OrganizationInfo,
  StoredEntity,
  StoredTuple,
  TransactionOutcome,
  VaultInfo,
} from "@authledger/engine";
import {
  formatTuple,
  LedgerError,
  type Operation,
  type OperationStatus,
  type TransactionRequest,
  utf8,
} from "@authledger/types";

export const FAKE_PROOF: AnswerProof = {
  stateProof: new Uint8Array([1, 1]),
  header: new Uint8Array([2, 2]),
  historyProof: [new Uint8Array([3]), new Uint8Array([4])],
  checkpoint: "a note\n",
  consistencyProof: [new Uint8Array([5])],
  pageFrom: new Uint8Array([6]),
  pageTo: new Uint8Array([7]),
};

interface FakeVault {
  info: VaultInfo;
  readonly tuples: Map<string, StoredTuple>;
  readonly entities: Map<string, StoredEntity>;
}

interface RecordedCall {
  readonly call: EngineCall;
  readonly request: unknown;
  readonly deadlineAtMs: number | undefined;
}

/** A node by itself has no cluster to administer, unless a test gives it one; decisions are tested over real engines. */
type FakedCall = Exclude<EngineCall, keyof ClusterCalls | keyof AuthorizationCalls>;

type ClusterHandlers = {
  readonly [C in keyof ClusterCalls]?: (request: EngineRequest<C>) => EngineReply<C>;
};

type Handlers = {
  readonly [C in FakedCall]: (request: EngineRequest<C>) => EngineReply<C>;
};

const BUNDLE = {
  epoch: 2,
  policyValue: Uint8Array.of(1),
  header: Uint8Array.of(2),
  stateProof: Uint8Array.of(3),
  historyProof: [Uint8Array.of(4)],
  consistencyProof: [Uint8Array.of(5)],
  checkpoint: "note",
};

export class FakeEngine implements EnginePort {
  readonly calls: RecordedCall[] = [];
  readonly #organizations = new Map<bigint, OrganizationInfo>();
  /** The first one is the system vault. */
  readonly #vaults: FakeVault[] = [systemVault()];
  #slug = 100n;
  #index = 0;
  /** Thrown by the calls it names, or by all of them. */
  failure: { readonly call?: EngineCall; readonly error: unknown } | undefined;
  /** What answers calls of the cluster's administration. */
  cluster: ClusterHandlers = {};
  /** What `get_trust_anchor` answers instead of its own text. */
  anchor: string | undefined;
  /** Answers wait for this. */
  hold: Promise<void> | undefined;

  async call<C extends EngineCall>(
    call: C,
    request: EngineRequest<C>,
    deadlineAtMs?: number,
  ): Promise<EngineReply<C>> {
    return this.ask(call, request, deadlineAtMs);
  }

  /** Answers at once unless it is told to hold. */
  ask<C extends EngineCall>(
    call: C,
    request: EngineRequest<C>,
    deadlineAtMs?: number,
  ): EngineReply<C> | Promise<EngineReply<C>> {
    this.calls.push({ call, request, deadlineAtMs });
    const answer = (): EngineReply<C> => {
      const { failure } = this;
      const handlers: Partial<Readonly<Record<EngineCall, unknown>>> = {
        ...this.#handlers,
        ...this.cluster,
      };
      if (failure !== undefined && (failure.call ?? call) === call) throw failure.error;
      const handler = handlers[call] as ((asked: EngineRequest<C>) => EngineReply<C>) | undefined;
      if (handler === undefined) throw new LedgerError("NOT_CLUSTERED", "no cluster");
      return handler(request);
    };
    return this.hold === undefined ? answer() : this.hold.then(answer);
  }

  /** Requests of one kind of call, in order. */
  requests<C extends EngineCall>(call: C): EngineRequest<C>[] {
    return this.calls.filter((made) => made.call === call).map((made) => made.request) as never;
  }

  /** Parts of the next export; `exportEnds` counts those that were ended. */
  exportParts: readonly Uint8Array[] = [];
  exportEnds = 0;
  #exported = 0;

  readonly #handlers: Handlers = {
    export_begin: () => {
      this.#exported = 0;
      return { export: 1 };
    },
    export_next: () => {
      const chunk = this.exportParts[this.#exported++];
      return chunk === undefined ? {} : { chunk };
    },
    export_end: () => {
      this.exportEnds++;
      return {};
    },
    resolve_vault: ({ organization, vault }) => ({ vault: this.#find(organization, vault) }),
    write: ({ vault, transactions, prove }) => {
      const outcomes = transactions.map((made) => this.#apply(this.#vaults[vault]!, made, prove));
      return { outcomes, at: this.#at(vault) };
    },
    read_entities: ({ vault, keys, prove }) => ({
      entities: keys.map((key) => this.#vaults[vault]!.entities.get(key)),
      at: this.#at(vault),
      ...(prove && { proof: FAKE_PROOF }),
    }),
    check: ({ vault, tuples, prove }) => ({
      allowed: tuples.map((tuple) => this.#vaults[vault]!.tuples.has(formatTuple(tuple))),
      at: this.#at(vault),
      ...(prove && { proof: FAKE_PROOF }),
    }),
    list_tuples: (request) => this.#list(request),
    list_entities: ({ vault, prefix, limit, after }) => {
      const from = after === undefined ? "" : new TextDecoder().decode(after);
      const keys = [...this.#vaults[vault]!.entities.keys()].sort();
      const found = keys.filter((key) => key.startsWith(prefix) && key >= from);
      const entities = found.slice(0, limit).map((key) => this.#vaults[vault]!.entities.get(key)!);
      const next = found[limit];
      return { entities, at: this.#at(vault), ...(next !== undefined && { next: utf8(next) }) };
    },
    list_resources: ({ vault, type, limit, after }) => {
      const from = after === undefined ? "" : new TextDecoder().decode(after);
      const all = [...this.#vaults[vault]!.tuples.values()].map(({ tuple }) => tuple.resource);
      const found = [...new Set(all)]
        .sort()
        .filter((name) => name.startsWith(`${type}:`) && name >= from);
      const next = found[limit];
      const at = this.#at(vault);
      return {
        resources: found.slice(0, limit),
        at,
        ...(next !== undefined && { next: utf8(next) }),
      };
    },
    get_client_state: ({ vault, clientId }) => ({
      at: this.#at(vault),
      ...(clientId === "app" && {
        last: { sequence: 3, height: 2, transactionId: new Uint8Array(16).fill(7) },
      }),
    }),
    get_tip: ({ vault }) => ({
      header: new Uint8Array([8]),
      blockHash: new Uint8Array([9]),
      at: this.#at(vault),
    }),
    get_block: ({ vault, height, transactions, prove }) => {
      if (height > this.#at(vault).height) {
        throw new LedgerError("BLOCK_NOT_FOUND", `there is no block ${height}`, {
          details: { height },
        });
      }
      return {
        header: new Uint8Array([height]),
        blockHash: new Uint8Array([9]),
        transactions: transactions ? [new Uint8Array([1]), new Uint8Array([2])] : [],
        at: this.#at(vault),
        ...(prove && { proof: FAKE_PROOF }),
      };
    },
    get_block_range: ({ vault, from = 0 }) => ({
      blocks: [],
      next: from,
      size: this.#at(vault).height + 1,
      timeMs: 0,
      at: this.#at(vault),
    }),
    get_compact_range: () => ({ roots: [new Uint8Array([8])] }),
    get_block_proof: ({ vault, height, prove }) => ({
      header: new Uint8Array([height]),
      previousHeader: new Uint8Array([height - 1]),
      transactions: [new Uint8Array([1])],
      witness: new Uint8Array([7]),
      compactRange: [new Uint8Array([8])],
      at: this.#at(vault),
      ...(prove && { proof: FAKE_PROOF }),
    }),
    list_changes: ({ vault, from }) => ({
      changes: [],
      next: from ?? { height: 0, index: 0, operation: 0 },
      size: this.#at(vault).height + 1,
      timeMs: 0,
      at: this.#at(vault),
    }),
    wait_blocks: ({ after = 0 }) => ({ index: after, vaults: [], isComplete: true }),
    get_checkpoint: ({ vault, trustedSize }) => ({
      checkpoint: "a note\n",
      consistencyProof: trustedSize === 0 ? [] : [new Uint8Array([5])],
      at: this.#at(vault),
    }),
    get_consistency_proof: ({ fromSize, toSize }) => ({
      proof: [new Uint8Array([fromSize]), new Uint8Array([toSize])],
    }),
    get_trust_anchor: ({ vault }) => ({ anchor: this.anchor ?? `anchor of ${vault}` }),
    create_organization: ({ name }) => {
      const slug = this.#slug++;
      const organization = { slug, name, status: "active", createdAtMs: 5 } as const;
      this.#organizations.set(slug, organization);
      return { organization };
    },
    get_organization: ({ organization }) => ({ organization: this.#organization(organization) }),
    list_organizations: ({ limit, after }) => {
      const all = [...this.#organizations.values()].filter(({ slug }) => slug > (after ?? 0n));
      const organizations = all.slice(0, limit);
      const last = organizations.at(-1);
      return all.length > limit && last ? { organizations, next: last.slug } : { organizations };
    },
    delete_organization: ({ organization: slug }) => {
      const organization = { ...this.#organization(slug), status: "deleted" } as const;
      this.#organizations.set(slug, organization);
      return { organization };
    },
    suspend_organization: ({ organization: slug }) => this.#setService(slug, "suspended"),
    resume_organization: ({ organization: slug }) => this.#setService(slug, "active"),
    get_usage: ({ organization }) => {
      this.#organization(organization);
      const counts = { vaults: 1, entities: 2, tuples: 3, records: 4, liveBytes: 5 };
      return { usage: { ...counts, historyBytes: 6, blocks: 7 } };
    },
    erase: ({ vault }) => ({ erased: 0, deleted: false, at: this.#at(vault) }),
    delete_vault: ({ organization, vault: slug }) => {
      const vault = this.#vaults[this.#find(organization, slug)]!;
      vault.info = { ...vault.info, status: "deleting" };
      return { vault: vault.info };
    },
    create_vault: ({ organization, name }) => this.#createVault(organization, name),
    get_vault: ({ organization, vault }) => ({
      vault: this.#vaults[this.#find(organization, vault)]!.info,
      health: "healthy",
    }),
    update_vault: ({ organization, vault, name, retentionBlocks }) => {
      const found = this.#vaults[this.#find(organization, vault)]!;
      found.info = {
        ...found.info,
        ...(name !== undefined && { name }),
        ...(retentionBlocks !== undefined && { retentionBlocks }),
      };
      return { vault: found.info };
    },
    list_vaults: ({ organization, limit, after }) => {
      this.#organization(organization);
      const all = this.#vaults
        .map(({ info }) => info)
        .filter((info) => info.organization === organization && info.slug > (after ?? 0n));
      const vaults = all.slice(0, limit);
      const last = vaults.at(-1);
      return all.length > limit && last ? { vaults, next: last.slug } : { vaults };
    },
    get_policy_bundles: ({ epoch }) => ({
      bundles: Array.from({ length: Math.max(0, 2 - epoch) }, () => BUNDLE),
      newestEpoch: 2,
    }),
    report_checkpoint: ({ checkpoint }) => ({
      judgement: checkpoint === "forged" ? "contradiction" : "consistent",
    }),
    get_node_info: () => ({
      nodeId: 0xffff_ffff_ffff_fff0n,
      clusterId: "ab".repeat(16),
      clusterOrigin: "test.example",
      formatVersion: 1,
      role: "leader",
      term: 2,
      lastIndex: 9,
      appliedIndex: 8,
      flushedIndex: 7,
      organizations: this.#organizations.size,
      vaults: this.#vaults.length - 1,
      evidence: [],
      maintenance: {
        ...{ fileBytes: 40_960, filePages: 10, freePages: 3, isCompacting: false, compactions: 2 },
        ...{ pagesMoved: 4, leavesJoined: 5, isScrubbing: true, scrubPasses: 6 },
        ...{ lastScrubEndedAtMs: 7, divergedVaults: 1, alarms: ["leaf of vault 5"] },
      },
    }),
    compact: ({ fillThreshold }) => ({
      before: { pages: 10, freePages: 5, bytes: 40_960 },
      after: { pages: 5, freePages: 0, bytes: 20_480 },
      ...{ leavesVisited: fillThreshold * 100, leavesJoined: 1, pagesMoved: 2 },
      ...{ valuesMoved: 3, passes: 1 },
    }),
    check_integrity: ({ waitMs, follow }) => ({
      ...{ running: follow, passes: 1, startedAtMs: 2, endedAtMs: 3, pages: waitMs },
      counts: {
        ...{ vaults: 4, leaves: 5, branches: 6, blocks: 7, transactions: 8 },
        ...{ indexRows: 9, skipped: 0 },
      },
      divergedVaults: 1,
      differences: [
        {
          ...{ area: "leaf", isOfVault: true, organization: 1n, vault: 5n, bucket: 0 },
          ...{ path: "00ff", height: undefined, what: "its hash", text: "leaf of vault 5" },
        },
      ],
    }),
  };

  #createVault(organization: bigint, name: string): EngineReply<"create_vault"> {
    this.#organization(organization);
    const slug = this.#slug++;
    const origin = `test.example/${organization}/${slug}`;
    const kept = { height: 0, retentionBlocks: 0, oldestHeight: 0 };
    const about = { organization, slug, name, status: "active", createdAtMs: 6, origin } as const;
    const info = { ...about, ...kept };
    this.#vaults.push({ info, tuples: new Map(), entities: new Map() });
    return { vault: info, genesisHeader: new Uint8Array([0]) };
  }

  #setService(
    slug: bigint,
    status: "suspended" | "active",
  ): { readonly organization: OrganizationInfo } {
    const organization = { ...this.#organization(slug), status };
    this.#organizations.set(slug, organization);
    return { organization };
  }

  #organization(slug: bigint): OrganizationInfo {
    const found = this.#organizations.get(slug);
    if (found !== undefined) return found;
    throw new LedgerError("ORGANIZATION_NOT_FOUND", `there is no organization ${slug}`, {
      details: { organization: String(slug) },
    });
  }

  #find(organization: bigint, slug: bigint): number {
    this.#organization(organization);
    const id = this.#vaults.findIndex(
      ({ info }) => info.organization === organization && info.slug === slug,
    );
    if (id >= 0) return id;
    throw new LedgerError("VAULT_NOT_FOUND", `there is no vault ${slug}`, {
      details: { vault: String(slug) },
    });
  }

  #at(vault: number): AnswerPoint {
    return { height: this.#vaults[vault]!.info.height, index: this.#index };
  }

  #apply(vault: FakeVault, request: TransactionRequest, prove: boolean): TransactionOutcome {
    const height = vault.info.height + 1;
    const broken = request.operations.find(
      (op) => op.op === "tuple_must_exist" && !vault.tuples.has(formatTuple(op.tuple)),
    );
    if (broken !== undefined) {
      const details = { operation: request.operations.indexOf(broken) };
      const message = "the tuple is not stored";
      return { kind: "refused", code: "PRECONDITION_FAILED", message, details, retryAfterMs: 1500 };
    }
    const unmet = request.operations.findIndex((op) => !isMet(vault, op));
    if (unmet >= 0) {
      const message = "the entity is not as it must be";
      return {
        kind: "refused",
        code: "PRECONDITION_FAILED",
        message,
        details: { operation: unmet },
      };
    }
    const statuses = request.operations.map((op) => change(vault, op, height));
    vault.info = { ...vault.info, height };
    this.#index++;
    return {
      kind: "applied",
      transactionId: new Uint8Array(16).fill(height),
      sequence: 3,
      height,
      statuses,
      replayed: false,
      ...(prove && {
        inclusion: {
          header: new Uint8Array([1]),
          transaction: new Uint8Array([2]),
          index: 4,
          path: [new Uint8Array([3])],
        },
      }),
    };
  }

  #list(request: EngineRequest<"list_tuples">): EngineReply<"list_tuples"> {
    const { vault, resource, relation, subject, limit, after, prove } = request;
    const from = after === undefined ? "" : new TextDecoder().decode(after);
    const rows = [...this.#vaults[vault]!.tuples]
      .filter(([key, { tuple }]) => {
        if (key <= from) return false;
        if (resource !== undefined && tuple.resource !== resource) return false;
        if (relation !== undefined && tuple.relation !== relation) return false;
        return subject === undefined || tuple.subject === subject;
      })
      .sort(([a], [b]) => (a < b ? -1 : 1));
    const page = rows.slice(0, limit);
    return {
      tuples: page.map(([, stored]) => stored),
      at: this.#at(vault),
      ...(rows.length > limit && { next: utf8(page.at(-1)![0]) }),
      ...(prove && { proof: FAKE_PROOF }),
    };
  }
}

function systemVault(): FakeVault {
  const info: VaultInfo = {
    ...{ organization: 0n, slug: 0n, name: "_system", status: "active", createdAtMs: 1 },
    ...{ origin: "test.example/0/0", height: 0, retentionBlocks: 0, oldestHeight: 0 },
  };
  return { info, tuples: new Map(), entities: new Map() };
}

/** Conditions over an entity's being there or its version; others hold. */
function isMet(vault: FakeVault, op: Operation): boolean {
  if (op.op !== "set_entity" && op.op !== "delete_entity") return true;
  const found = vault.entities.get(op.key);
  if (op.condition.kind === "must_not_exist") return found === undefined;
  if (op.condition.kind === "must_exist") return found !== undefined;
  return op.condition.kind !== "version_equals" || found?.version === op.condition.version;
}

function change(vault: FakeVault, op: Operation, version: number): OperationStatus {
  switch (op.op) {
    case "create_tuple": {
      const key = formatTuple(op.tuple);
      if (vault.tuples.has(key)) return "already_exists";
      vault.tuples.set(key, { tuple: op.tuple, version, expiresAtMs: op.expiresAtMs });
      return "created";
    }
    case "delete_tuple":
      return vault.tuples.delete(formatTuple(op.tuple)) ? "deleted" : "not_found";
    case "set_entity": {
      const { key, value, expiresAtMs } = op;
      const isNew = !vault.entities.has(key);
      vault.entities.set(key, { key, value, nonce: new Uint8Array([9]), version, expiresAtMs });
      return isNew ? "created" : "updated";
    }
    case "delete_entity":
      return vault.entities.delete(op.key) ? "deleted" : "not_found";
    default:
      return "satisfied";
  }
}
