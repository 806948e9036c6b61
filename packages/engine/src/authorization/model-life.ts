/**
 * The life of a vault's models: deploy, activate, roll back, assertions. Each change is one transaction of the vault, planned by
 * the leader when everything proposed before it has been applied, so that what it says of versions holds where it is applied.
 *
 *   INV-ACTIVE-6  Versions have no gaps and never change; no two have one body.
 *   INV-ACTIVE-7  At most one version is active, and its assertions held when it was activated and when they were set.
 */
import {
  ACTIVE_MODEL_KEY,
  type ActiveModel,
  aboutModel,
  decodeModelBody,
  encodeActiveModel,
  encodeAssertions,
  encodeModelAbout,
  MODEL_VERSIONS_MAX,
  type ModelAbout,
  type ModelAssertion,
  modelAboutKey,
  modelAssertionsKey,
  modelBodyKey,
  ROLLBACKS_MAX,
  requireAssertions,
} from "@authledger/authz";
import type { GroupState, OpenVault, Outcome } from "@authledger/state";
import { equalBytes, type Hasher, LedgerError, toHex } from "@authledger/types";
import type { AnswerPoint, EngineReply, EngineRequest } from "../port.js";
import type { LedgerRecordValue } from "../sealer.js";
import { throwIfRefused } from "../writes.js";
import type { ActiveModels } from "./active-models.js";
import type { ModelInfo } from "./authorization-calls.js";
import { trialOf } from "./decision-world.js";
import {
  aboutVersion,
  activeRecord,
  assertionsOf,
  bodyOf,
  modelInfo,
  newestVersion,
  requireVersion,
  versionOfHash,
} from "./model-records.js";

export interface ModelLifeDeps {
  readonly state: GroupState;
  readonly models: ActiveModels;
  readonly hasher: Hasher;
  /** Proposes a transaction of records. @throws LedgerError as a write, and what `recordsAt` throws */
  readonly propose: (
    about: { readonly vault: number; readonly actor: string; readonly reason: string },
    bytes: number,
    recordsAt: (timeMs: number) => readonly LedgerRecordValue[],
  ) => Promise<Outcome>;
  /** Resolves when what is known here is what was acknowledged last. */
  readonly confirm: () => Promise<void>;
}

/** Thrown where a plan changes nothing: there is nothing to propose. */
const NOTHING = new LedgerError("CANCELLED", "nothing is to be changed");
/** Records beside a body. */
const RECORDS_BYTES = 4_096;

const NEVER_ACTIVE: ActiveModel = { version: 0, hash: "", activatedAtMs: 0, before: [] };

export class ModelLife {
  readonly #deps: ModelLifeDeps;

  constructor(deps: ModelLifeDeps) {
    this.#deps = deps;
  }

  async deploy(request: EngineRequest<"deploy_model">): Promise<EngineReply<"deploy_model">> {
    const { body, assertions, activate } = request;
    const hash = toHex(this.#deps.hasher.sha256(body));
    const compiled = this.#deps.models.compile(body, hash);
    const decoded = decodeModelBody(body);
    let deployed = { version: 0, existed: false };
    const encoded = assertions && encodeAssertions(assertions);
    const bytes = body.length + (encoded?.length ?? 0) + RECORDS_BYTES;
    const at = await this.#change(request, bytes, (vault, timeMs) => {
      const existing = versionOfHash(vault, hash);
      const version = existing ?? nextVersion(vault);
      deployed = { version, existed: existing !== undefined };
      const active = activeRecord(vault) ?? NEVER_ACTIVE;
      const stored = existing === undefined ? [] : assertionsOf(vault, version);
      const isSet = encoded !== undefined && !equalBytes(encoded, encodeAssertions(stored));
      const isSwitched = activate && active.version !== version;
      if (isSwitched || (isSet && active.version === version)) {
        requireAssertions(trialOf(vault, timeMs), compiled, assertions ?? stored);
      }
      const about = aboutModel(decoded, { hash, deployedAtMs: timeMs, deployedBy: request.actor });
      return [
        ...(existing === undefined ? bodyRecords(version, body, about) : []),
        ...(isSet ? [{ ...modelAssertionsKey(version), value: encoded }] : []),
        ...(isSwitched ? [activation(active, version, hash, timeMs)] : []),
      ];
    });
    const model = this.#info(request.vault, deployed.version);
    return { model, existed: deployed.existed, at };
  }

  async activate(request: EngineRequest<"activate_model">): Promise<EngineReply<"activate_model">> {
    return this.#switch(request, (vault) => {
      const { version } = request;
      if (version !== 0) requireVersion(vault, version);
      return { version };
    });
  }

  async rollback(request: EngineRequest<"rollback_model">): Promise<EngineReply<"rollback_model">> {
    return this.#switch(request, (vault) => {
      const [version, ...before] = activeRecord(vault)?.before ?? [];
      if (version !== undefined) return { version, before };
      const message = "no other model was active before: there is nothing to roll back to";
      throw new LedgerError("MODEL_NOT_FOUND", message);
    });
  }

  async setAssertions(
    request: EngineRequest<"set_assertions">,
  ): Promise<EngineReply<"set_assertions">> {
    const { version, assertions } = request;
    const value = encodeAssertions(assertions);
    const at = await this.#change(request, value.length + RECORDS_BYTES, (vault, timeMs) => {
      requireVersion(vault, version);
      if (equalBytes(value, encodeAssertions(assertionsOf(vault, version)))) return [];
      if (activeRecord(vault)?.version === version) {
        this.#require(vault, timeMs, version, assertions);
      }
      return [{ ...modelAssertionsKey(version), value }];
    });
    return { at };
  }

  /** Makes another version the active one, or none. */
  async #switch(
    request: EngineRequest<"rollback_model">,
    choose: (vault: OpenVault) => {
      readonly version: number;
      readonly before?: readonly number[];
    },
  ): Promise<EngineReply<"activate_model">> {
    let [version, previousVersion] = [0, 0];
    const at = await this.#change(request, RECORDS_BYTES, (vault, timeMs) => {
      const active = activeRecord(vault) ?? NEVER_ACTIVE;
      const chosen = choose(vault);
      version = chosen.version;
      previousVersion = active.version;
      if (version === active.version) return [];
      const hash = version === 0 ? "" : aboutVersion(vault, version)!.hash;
      if (version !== 0) this.#require(vault, timeMs, version, assertionsOf(vault, version));
      return [activation(active, version, hash, timeMs, chosen.before)];
    });
    const model = version === 0 ? undefined : this.#info(request.vault, version);
    return { ...(model && { model }), previousVersion, at };
  }

  #require(
    vault: OpenVault,
    timeMs: number,
    version: number,
    assertions: readonly ModelAssertion[],
  ): void {
    const compiled = this.#deps.models.compile(bodyOf(vault, version));
    requireAssertions(trialOf(vault, timeMs), compiled, assertions);
  }

  /** Where the change is, or where the vault is if there was nothing to change. */
  async #change(
    request: { readonly vault: number; readonly actor: string; readonly reason: string },
    bytes: number,
    plan: (vault: OpenVault, timeMs: number) => readonly LedgerRecordValue[],
  ): Promise<AnswerPoint> {
    const { state, confirm } = this.#deps;
    if (!(await this.#propose(request, bytes, plan))) {
      // Nobody has confirmed yet that it is so, or that this node still leads.
      await confirm();
      await this.#propose(request, bytes, plan);
    }
    return { height: state.requireVault(request.vault).height, index: state.applied.index };
  }

  /** Was there anything to change? */
  async #propose(
    { vault, actor, reason }: Parameters<ModelLifeDeps["propose"]>[0],
    bytes: number,
    plan: (vault: OpenVault, timeMs: number) => readonly LedgerRecordValue[],
  ): Promise<boolean> {
    const { state, propose } = this.#deps;
    try {
      const outcome = await propose({ vault, actor, reason }, bytes, (timeMs) => {
        const records = plan(state.requireVault(vault), timeMs);
        if (records.length === 0) throw NOTHING;
        return records;
      });
      throwIfRefused(outcome);
      return true;
    } catch (error) {
      if (error !== NOTHING) throw error;
      return false;
    }
  }

  #info(vaultId: number, version: number): ModelInfo {
    const vault = this.#deps.state.requireVault(vaultId);
    return modelInfo(vault, version, requireVersion(vault, version));
  }
}

/** @throws LedgerError LIMIT_EXCEEDED */
function nextVersion(vault: OpenVault): number {
  const version = newestVersion(vault) + 1;
  if (version <= MODEL_VERSIONS_MAX) return version;
  const limit = MODEL_VERSIONS_MAX;
  throw new LedgerError("LIMIT_EXCEEDED", `a vault has at most ${limit} versions of models`, {
    details: { field: "version", limit, actual: version },
  });
}

function bodyRecords(version: number, body: Uint8Array, about: ModelAbout): LedgerRecordValue[] {
  return [
    { ...modelBodyKey(version), value: body },
    { ...modelAboutKey(version), value: encodeModelAbout(about) },
  ];
}

/** @param before where rollbacks go from then on; absent: back to what is active now */
function activation(
  active: ActiveModel,
  version: number,
  hash: string,
  activatedAtMs: number,
  before: readonly number[] = active.version === 0
    ? active.before
    : [active.version, ...active.before],
): LedgerRecordValue {
  const kept = before.slice(0, ROLLBACKS_MAX);
  const value = encodeActiveModel({ version, hash, activatedAtMs, before: kept });
  return { ...ACTIVE_MODEL_KEY, value };
}
