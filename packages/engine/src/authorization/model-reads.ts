/** What is asked about the models of a vault, now or at a height. */
import { aboutModel, decodeModelBody, dryRun } from "@authledger/authz";
import type { Consistency, Hasher } from "@authledger/types";
import { LedgerError, toHex } from "@authledger/types";
import type { Seen } from "../listings.js";
import type { EngineReply, EngineRequest } from "../port.js";
import type { ActiveModels } from "./active-models.js";
import { trialOf } from "./decision-world.js";
import { dryRunSample } from "./dry-run-sample.js";
import {
  activeRecord,
  assertionsOf,
  bodyOf,
  modelInfo,
  newestVersion,
  requireVersion,
  versionOfHash,
} from "./model-records.js";

export interface ModelReadDeps {
  readonly models: ActiveModels;
  readonly hasher: Hasher;
  /** @throws LedgerError as any read of the vault with this consistency */
  readonly see: (vault: number, consistency: Consistency) => Seen;
}

export class ModelReads {
  readonly #deps: ModelReadDeps;

  constructor(deps: ModelReadDeps) {
    this.#deps = deps;
  }

  get(request: EngineRequest<"get_model">): EngineReply<"get_model"> {
    const { view, at } = this.#deps.see(request.vault, request.consistency);
    const version = request.version === "active" ? activeRecord(view)?.version : request.version;
    if (version === undefined || (version === 0 && request.version === "active")) {
      throw new LedgerError("NO_ACTIVE_MODEL", "no model of the vault is active");
    }
    const about = requireVersion(view, version);
    const body = decodeModelBody(bodyOf(view, version));
    return { model: modelInfo(view, version, about), body, at };
  }

  list(request: EngineRequest<"list_models">): EngineReply<"list_models"> {
    const { view, at } = this.#deps.see(request.vault, request.consistency);
    const first = Math.min(newestVersion(view), (request.below ?? Number.MAX_SAFE_INTEGER) - 1);
    const last = Math.max(1, first - request.limit + 1);
    const models = [];
    for (let version = first; version >= last; version--) {
      models.push(modelInfo(view, version, requireVersion(view, version)));
    }
    return { models, at, ...(last > 1 && { next: last }) };
  }

  assertions(request: EngineRequest<"get_assertions">): EngineReply<"get_assertions"> {
    const { view, at } = this.#deps.see(request.vault, request.consistency);
    requireVersion(view, request.version);
    return { assertions: assertionsOf(view, request.version), at };
  }

  tryModel(request: EngineRequest<"try_model">): EngineReply<"try_model"> {
    const { body, vault, consistency } = request;
    const { view, timeMs, at } = this.#deps.see(vault, consistency);
    const hash = toHex(this.#deps.hasher.sha256(body));
    const compiled = this.#deps.models.compile(body, hash);
    const active = this.#deps.models.of(view);
    const version = versionOfHash(view, hash) ?? 0;
    const stored = active === undefined ? [] : assertionsOf(view, active.version);
    const own = request.assertions ?? (version === 0 ? [] : assertionsOf(view, version));
    const found = dryRun(trialOf(view, timeMs), {
      before: active?.compiled,
      after: compiled,
      assertions: [...own, ...stored],
      sample: dryRunSample(view, timeMs),
    });
    const about = aboutModel(decodeModelBody(body), { hash, deployedAtMs: 0, deployedBy: "" });
    const known = version === 0 ? about : requireVersion(view, version);
    const was = active && decodeModelBody(bodyOf(view, active.version));
    return { ...found, model: modelInfo(view, version, known), at, ...(was && { active: was }) };
  }
}
