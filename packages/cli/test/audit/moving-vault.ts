/** A vault whose voters change, and the node that serves it: honest, late, or forging. */
import {
  blockQuestions,
  type Cosigner,
  decodeTransaction,
  encodePolicy,
  formatTrustAnchor,
  Kind,
  type Policy,
  type PolicyBundle,
} from "@authledger/proof";
import { LedgerError } from "@authledger/types";
import {
  policyOf,
  replica,
  type TestKey,
  TestVault,
} from "../../../proof/test/support/test-vault.js";
import type { Asked } from "./audit-command.js";

const CONFIG = { lists: [{ kind: Kind.ledgerRecord, partition: "ledger" }] };

/** Voters by their numbers, and how many of them a head needs. */
export interface Voters {
  readonly voters: readonly number[];
  readonly quorum: number;
}

const cosignersOf = (voters: readonly number[]): Cosigner[] =>
  voters.map((id) => ({ id, key: replica(id).key }));

export const keysOf = (...voters: readonly number[]): TestKey[] => voters.map((id) => replica(id));

export class MovingVault {
  readonly vault: TestVault;
  readonly policies: Policy[];
  readonly bundles: PolicyBundle[] = [];
  #voters: readonly number[];
  #tuples = 0;

  constructor({ voters, quorum }: Voters) {
    this.vault = new TestVault({ change: { cosigners: cosignersOf(voters), quorum } });
    this.policies = [this.vault.policy];
    this.#voters = voters;
    this.write();
  }

  write(count = 1): void {
    for (let i = 0; i < count; i++) {
      const tuple = { resource: `doc:${++this.#tuples}`, relation: "viewer", subject: "user:ann" };
      this.vault.seal([{ op: "create_tuple", tuple, expiresAtMs: 0, value: undefined }]);
    }
  }

  /** A block sets the next policy, and a head that satisfies both makes its bundle. */
  move({ voters, quorum }: Voters, change: Partial<Policy> = {}): void {
    const { vault } = this;
    const epoch = this.policies.length + 1;
    const fromSize = vault.size + 1;
    const cosigners = cosignersOf(voters);
    const policy = policyOf(vault.log, { epoch, cosigners, quorum, fromSize, ...change });
    const op = vault.setRecord("policy", encodePolicy(policy));
    if (op.op !== "set_record") throw new Error("not a record");
    vault.seal([op]);
    const both = [...new Set([...this.#voters, ...voters])];
    const proof = vault.answer(CONFIG, { cosigners: keysOf(...both) });
    this.bundles.push({ ...proof, policyValue: vault.storedValue(op.value) });
    this.policies.push(policy);
    this.#voters = voters;
  }

  /** As it is taken in an epoch. */
  anchor(epoch = 1): string {
    return formatTrustAnchor({ ...this.vault.anchor, policy: this.policies[epoch - 1]! });
  }
}

export interface Served {
  /** Who has signed the newest head. */
  signers: readonly TestKey[];
  /** Of the newest head; default all blocks. */
  size?: number;
  /** How many policies behind the first one the node has; default all. */
  bundles?: number;
}

/** A node over a vault; `served` may change while it is asked. */
export function nodeOf(
  { vault, bundles }: MovingVault,
  served: Served,
): Asked & { readonly asked: { bundles: number; checkpoints: number } } {
  const asked = { bundles: 0, checkpoints: 0 };
  const sizeNow = (): number => served.size ?? vault.size;
  return {
    asked,
    getCheckpoint: async ({ trustedSize = 0n } = {}) => {
      asked.checkpoints++;
      const size = sizeNow();
      const isAsked = trustedSize > 0n && trustedSize <= size;
      return {
        checkpoint: vault.checkpoint({ size, cosigners: served.signers }),
        consistencyProof: isAsked ? vault.consistency(Number(trustedSize), size) : [],
        token: { bytes: new Uint8Array(0) } as never,
        isVerified: false,
      };
    },
    getConsistencyProof: async ({ fromSize, toSize }) => {
      if (toSize > vault.size) throw new LedgerError("INVALID_ARGUMENT", "was never signed");
      return vault.consistency(Number(fromSize), Number(toSize));
    },
    getBlockProof: async (asked) => {
      const height = Number(asked);
      const transactions = vault.blocks[height]!;
      const questions = blockQuestions(transactions.map((bytes) => decodeTransaction(bytes)));
      return {
        header: vault.headers[height]!,
        previousHeader: vault.headers[height - 1],
        transactions,
        witness: height === 0 ? new Uint8Array(0) : vault.stateProof(questions, height - 1),
        compactRange: [],
      };
    },
    getPolicyBundles: async () => {
      asked.bundles++;
      return bundles.slice(0, served.bundles ?? bundles.length);
    },
    watchBlocks: () => {
      throw new Error("nothing is watched here");
    },
  };
}
