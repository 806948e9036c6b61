/** A server that answers from a vault with true proofs, or lies where a test wants it, and a client that verifies. */
import { formatTrustAnchor, Kind, type ProofQuestions, tupleKey } from "@authledger/proof";
import type { common, read } from "@authledger/proto";
import { type LedgerError, type Tuple, utf8 } from "@authledger/types";
import { onTestFinished, vi } from "vitest";
import { START_S, TestVault } from "../../../proof/test/support/test-vault.js";
import { createClient, type LedgerClient, type VerifyOptions } from "../../src/index.js";
import { type FakeHandlers, fakeLedger, NONE } from "./fake-ledger.js";

const tenant = { organization: 7n, vault: 9n };
export const BUDGET = "document:budget";
export const viewer = (user: string, resource = BUDGET): Tuple => ({
  resource,
  relation: "viewer",
  subject: `user:${user}`,
});
export const create = (tuple: Tuple, expiresAtMs = 0) =>
  ({ op: "create_tuple", tuple, expiresAtMs, value: undefined }) as never;

/** Sealed blocks: 0 genesis, 1 tuples and an entity; the clock of the client is a second behind the newest. */
export function vaultWith(...tuples: Tuple[]): TestVault {
  const vault = new TestVault();
  vault.seal(
    tuples.map((tuple) => create(tuple)),
    [vault.setEntity("theme", "dark")],
  );
  return vault;
}

export function proofMessage(
  vault: TestVault,
  questions: Partial<ProofQuestions>,
  options: Parameters<TestVault["answer"]>[1] = {},
): common.Proof {
  const answer = vault.answer(questions, options);
  return {
    ...answer,
    historyProof: [...answer.historyProof],
    consistencyProof: [...answer.consistencyProof],
    pageFrom: NONE,
    pageTo: NONE,
  };
}

export interface Lies {
  /** Another vault to answer from. */
  vault?: TestVault;
  size?: number;
  /** When its heads were signed, in seconds. */
  timeS?: number;
  allowed?: boolean;
  change?: (proof: common.Proof) => void;
  pageSize?: number;
  noConsistency?: boolean;
}

/** A server over a vault; `lies` may be changed while it runs. */
export function honest(vault: TestVault, lies: Lies = {}): FakeHandlers {
  const from = (): TestVault => lies.vault ?? vault;
  const prove = (
    asked: common.Prove | undefined,
    questions: Partial<ProofQuestions>,
    height?: number,
  ): common.Proof => {
    const size = lies.size ?? from().size;
    const trusted = Number(asked!.trustedSize);
    const { timeS = START_S + from().size } = lies;
    const options = { size, from: Math.min(trusted, size), timeS };
    const withHeight = height === undefined ? options : { ...options, height };
    const proof = proofMessage(from(), questions, withHeight);
    lies.change?.(proof);
    return proof;
  };
  const about = { height: 999n, token: Uint8Array.of(1) };
  return {
    admin: { getTrustAnchor: () => ({ anchor: formatTrustAnchor(from().anchor) }) },
    read: {
      check: (request) => ({
        ...about,
        allowed: lies.allowed ?? false,
        proof: prove(request.prove, { gets: [tupleKey(request.tuple!)] }),
      }),
      batchCheck: (request) => ({
        ...about,
        allowed: request.tuples.map(() => lies.allowed ?? false),
        proof: prove(request.prove, { gets: request.tuples.map(tupleKey) }),
      }),
      read: (request) => {
        const key = { kind: Kind.entity, partition: "", group: "", item: request.key };
        const record = from().recordAt((lies.size ?? from().size) - 1, key);
        const stored = record?.value && from().storedValue(record.value);
        return {
          ...about,
          ...(stored && {
            entity: {
              key: request.key,
              value: lies.allowed ? utf8("dork") : stored.slice(16),
              nonce: stored.slice(0, 16),
              version: 77n,
              expiresAtMs: 77n,
            },
          }),
          proof: prove(request.prove, { gets: [key] }),
        };
      },
      listRelationships: (request) => listPage(from(), request, lies, prove),
      getBlock: (request) => {
        const height = Number(request.height);
        const proof = prove(request.prove, {}, height);
        proof.stateProof = NONE;
        return {
          header: from().headers[height]!,
          blockHash: new Uint8Array(32),
          transactions: request.transactions ? from().blocks[height]! : [],
          token: NONE,
          proof,
        };
      },
      getTip: () => {
        const { headers, size } = from();
        return {
          height: BigInt(size - 1),
          header: headers[size - 1]!,
          blockHash: new Uint8Array(32),
          token: NONE,
        };
      },
      getCheckpoint: ({ trustedSize }) => {
        const size = lies.size ?? from().size;
        const first = Math.min(Number(trustedSize), size);
        return {
          checkpoint: from().checkpoint({ size }),
          consistencyProof: from().consistency(first, size),
          token: Uint8Array.of(7),
        };
      },
      getConsistencyProof: ({ fromSize, toSize }) => {
        if (lies.noConsistency || Number(toSize) > from().size) throw { code: 3, details: "no" };
        return { proof: from().consistency(Number(fromSize), Number(toSize)) };
      },
    },
  };
}

/** A page of a list, cut at paths as a node cuts it. The rows that are sent beside the proof are nonsense. */
function listPage(
  vault: TestVault,
  request: read.ListRelationshipsRequest,
  lies: Lies,
  prove: (asked: common.Prove | undefined, questions: Partial<ProofQuestions>) => common.Proof,
) {
  const { resource, subject, pageToken } = request;
  const kind = resource === undefined ? Kind.tupleBySubject : Kind.tupleByResource;
  const partition = resource ?? subject!;
  const size = lies.size ?? vault.size;
  const all = [...vault.states[size - 1]!.records.values()].filter(
    ({ key }) => key.kind === kind && key.partition === partition,
  );
  const whole = proofMessage(vault, { lists: [{ kind, partition }] }, { size });
  const leaves = vault.states[size - 1]!.trie.leaves.filter(({ record }) =>
    all.some(({ key }) => Buffer.from(record).includes(key.item, "utf8") && record[0] === kind),
  );
  const paths = leaves.map(({ path }) => path);
  const pageSize = lies.pageSize ?? 100;
  const at = pageToken[0] ?? 0;
  const from = at === 0 ? undefined : paths[at];
  const to = at + pageSize < paths.length ? paths[at + pageSize] : undefined;
  const twins =
    kind === Kind.tupleBySubject
      ? all.map(({ key }) =>
          tupleKey({ resource: key.item, relation: key.group, subject: key.partition }),
        )
      : [];
  const proof = prove(request.prove, { gets: twins, lists: [{ kind, partition, from, to }] });
  proof.pageFrom = from ?? NONE;
  proof.pageTo = to ?? NONE;
  lies.change?.(proof);
  return {
    relationships: [],
    nextPageToken: to === undefined ? NONE : Uint8Array.of(at + pageSize),
    height: BigInt(whole.historyProof.length),
    token: Uint8Array.of(1),
    proof,
  };
}

export async function clientOf(
  handlers: FakeHandlers,
  verify: VerifyOptions,
): Promise<LedgerClient> {
  const { endpoint } = await fakeLedger(handlers);
  const client = createClient({ endpoints: endpoint, tenant, verify });
  onTestFinished(() => client.close());
  return client;
}

/** The time that the newest checkpoint of a vault was signed at. */
export function now(vault: TestVault): void {
  vi.spyOn(Date, "now").mockImplementation(() => performance.now() + offset);
  const offset = (START_S + vault.size) * 1000 - performance.now();
  onTestFinished(() => void vi.restoreAllMocks());
}

export async function verifying(
  vault: TestVault,
  lies: Lies = {},
  more: VerifyOptions = {},
): Promise<LedgerClient> {
  now(vault);
  return clientOf(honest(vault, lies), { anchor: formatTrustAnchor(vault.anchor), ...more });
}

export const reasonOf = ({ code, details }: LedgerError): unknown[] => [code, details["reason"]];
