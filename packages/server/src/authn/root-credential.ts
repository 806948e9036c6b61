/**
 * The root credential: an API key named `root` that may do everything. It is made once for a cluster, by the node that leads
 * when the cluster has none yet, and written to a file of that node before the ledger knows it: a crash in between leaves a
 * file that opens nothing and is replaced, never a ledger that nobody can open.
 *
 *   INV-AUTHN-6  A cluster has at most one root credential, whoever begins it and however often.
 *
 * While this node cannot read what the cluster has (its state is wrong, is being replaced, or has not arrived), the cluster counts as
 * one with a root: a node that needs no credentials by its own configuration serves nobody without one until it knows better. What it
 * says of itself is not stored, and is how an operator learns why. The word that a node was taken into a cluster comes behind the
 * fact: where the last look found no answer each call looks again.
 */
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { LedgerError } from "@authledger/types";
import { hasEnded } from "../system/not-serving.js";
import type { SystemMoves } from "../system/system-moves.js";
import type { SystemVault } from "../system/system-vault.js";
import { makeApiKey, ROOT_KEY_ID } from "./api-key.js";
import { set } from "./api-keys.js";
import { type KeyRecord, keyEntity } from "./key-record.js";

const ROOT_KEY_FILE = "root.key";

export interface RootCredentialDeps {
  readonly vault: SystemVault;
  readonly moves: Pick<SystemMoves, "onMove">;
  /** Where the file is written. */
  readonly directory: string;
  /** Credentials are configured on this node, so a cluster that it leads must have a root. */
  readonly isWanted: boolean;
  readonly leads: () => Promise<boolean>;
  readonly onMade: (file: string) => void;
  readonly onProblem: (error: LedgerError) => void;
}

export interface MadeRoot {
  /** Shown once. */
  readonly text: string;
  readonly file: string;
}

/** There is no cluster yet, and so no root. */
const NO_CLUSTER: ReadonlySet<string> = new Set(["NODE_WAITING", "VAULT_NOT_FOUND"]);

/** A node that waits, or is being taken in, has no vault yet, and a wrong one none to read; who does not lead leaves it to the leader. */
const NOT_MINE: ReadonlySet<string> = new Set([
  ...[
    "NODE_WAITING",
    "NOT_READY",
    "VAULT_NOT_FOUND",
    "NOT_LEADER",
    "NO_LEADER",
    "REPLICA_DIVERGED",
  ],
]);

export class RootCredential {
  readonly #deps: RootCredentialDeps;
  #exists = false;
  /** The last look has read whether there is one. */
  #isAnswered = false;
  #problem: LedgerError | undefined;
  #making: Promise<MadeRoot | undefined> | undefined;
  /** The clusters that are being begun by a call, which is to show what is made. */
  #beginning = 0;

  constructor(deps: RootCredentialDeps) {
    this.#deps = deps;
  }

  /** The cluster has one, or had one that was revoked, or may have: nobody is served without a credential any more. */
  get exists(): boolean {
    return this.#exists || this.#problem !== undefined;
  }

  /** The cluster has one, or had one that was revoked: this node has read so. */
  get isKnown(): boolean {
    return this.#exists;
  }

  /** Why nobody can say whether there is one. */
  get problem(): LedgerError | undefined {
    return this.#exists ? undefined : this.#problem;
  }

  /** Looks for it; makes one where it is wanted and this node leads. */
  async start(): Promise<void> {
    this.#deps.moves.onMove(() => void this.#look());
    await this.#look();
  }

  /** Looks once more where the last look found no answer; undefined where there is no need. */
  lookAgain(): Promise<void> | undefined {
    if (this.#exists || this.#isAnswered) return undefined;
    return this.#isStored(this.#deps.vault).then(
      (isStored) => {
        this.#exists ||= isStored;
      },
      // `problem` says it, where it is one.
      () => undefined,
    );
  }

  /** Runs what begins a cluster, and makes its root; undefined where it had one, or wants none. */
  async begin<T>(run: () => Promise<T>): Promise<readonly [T, MadeRoot | undefined]> {
    this.#beginning++;
    try {
      const result = await run();
      return [result, this.#deps.isWanted ? await this.#make() : undefined];
    } finally {
      this.#beginning--;
    }
  }

  async #look(): Promise<void> {
    if (this.#exists) return;
    const { vault, isWanted, leads, onProblem } = this.#deps;
    try {
      this.#exists ||= await this.#isStored(vault);
      if (this.#exists || !isWanted || this.#beginning > 0 || !(await leads())) return;
      await this.#make();
    } catch (error) {
      const failure = LedgerError.from(error);
      if (!NOT_MINE.has(failure.code) && !hasEnded(failure)) onProblem(failure);
    }
  }

  async #isStored(vault: SystemVault): Promise<boolean> {
    try {
      const stored = await vault.read(keyEntity(ROOT_KEY_ID));
      this.#problem = undefined;
      this.#isAnswered = true;
      return stored !== undefined;
    } catch (thrown) {
      const problem = LedgerError.from(thrown);
      this.#isAnswered = false;
      this.#problem = NO_CLUSTER.has(problem.code) || hasEnded(problem) ? undefined : problem;
      throw problem;
    }
  }

  #make(): Promise<MadeRoot | undefined> {
    this.#making ??= this.#makeOnce().finally(() => {
      this.#making = undefined;
    });
    return this.#making;
  }

  async #makeOnce(): Promise<MadeRoot | undefined> {
    const { vault, directory, onMade } = this.#deps;
    const known = await vault.read(keyEntity(ROOT_KEY_ID), { consistency: "linearizable" });
    if (known !== undefined) {
      this.#exists = true;
      return undefined;
    }
    const key = makeApiKey(ROOT_KEY_ID);
    const record: KeyRecord = {
      ...{ name: "root", principal: "root", kind: "root", sha256: key.hash.toString("hex") },
      ...{ created_ms: Date.now(), expires_ms: 0, creator: "_server" },
    };
    const file = join(directory, ROOT_KEY_FILE);
    // A file that is there may be readable by others: what is written anew is not.
    await rm(file, { force: true });
    await writeFile(file, `${key.text}\n`, { mode: 0o600, flag: "wx", flush: true });
    const operation = set(ROOT_KEY_ID, record, { kind: "must_not_exist" });
    await vault.write([operation], { actor: "_server", reason: "the root credential is made" });
    this.#exists = true;
    onMade(file);
    return { text: key.text, file };
  }
}
