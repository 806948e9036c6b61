/** ModelService over the engine's port. Models are parsed here; the engine gets what was found right. */
import {
  type AuthorizationModel,
  diffModels,
  type ModelAssertion,
  type ModelLanguage,
} from "@authledger/authz";
import type { EngineReply } from "@authledger/engine";
import { type common, model } from "@authledger/proto";
import { type Consistency, LedgerError } from "@authledger/types";
import { type Decoders, strict } from "../call-frame.js";
import { atMost, consistencyOf, LINEARIZABLE, numberOf } from "../convert-request.js";
import { answeredAt, tokenOf } from "../convert-response.js";
import type { ServiceDeps } from "../read-service.js";
import type { Handler } from "../unary.js";
import { requireOwnVault, type VaultName } from "../vault-directory.js";
import {
  assertionMessage,
  assertionsOf,
  changedAnswerMessage,
  infoMessage,
  reasonOf,
  sourceMessage,
  sourceOf,
} from "./convert-model.js";
import { diffMessage } from "./model-diff.js";
import { problemMessages, readSource } from "./read-source.js";

const MODELS_PAGE_MAX = 100;
const EMPTY = new Uint8Array(0);
const NO_MODEL: AuthorizationModel = { schema: "1.1", types: {}, conditions: {} };

export const MODEL_REQUESTS: Decoders<model.ModelServiceService> = {
  validateModel: strict(model.ValidateModelRequest),
  deployModel: strict(model.DeployModelRequest),
  activateModel: strict(model.ActivateModelRequest),
  rollbackModel: strict(model.RollbackModelRequest),
  getModel: strict(model.GetModelRequest),
  listModels: strict(model.ListModelsRequest),
  getActiveModel: strict(model.GetActiveModelRequest),
  diffModels: strict(model.DiffModelsRequest),
  setAssertions: strict(model.SetAssertionsRequest),
  getAssertions: strict(model.GetAssertionsRequest),
};

export class ModelService {
  readonly #deps: ServiceDeps;

  constructor(deps: ServiceDeps) {
    this.#deps = deps;
  }

  readonly handlers: ModelHandlers = {
    validateModel: ({ source }) => {
      const wanted = sourceOf(source);
      try {
        const { model: read, hash } = readSource(wanted);
        return { problems: [], info: infoOf(wanted.language, read, hash) };
      } catch (error) {
        if (!(error instanceof LedgerError) || error.code !== "MODEL_INVALID") throw error;
        return { problems: problemMessages(error) };
      }
    },
    deployModel: (request, { principal }) =>
      request.dryRun ? this.#try(request) : this.#deploy(request, principal.name),
    activateModel: async (request, { principal }) => {
      const vault = await this.#ownVault(request);
      const version = numberOf(request.version, "version");
      const change = { vault, actor: principal.name, reason: reasonOf(request), version };
      return switched(request, await this.#deps.engine.call("activate_model", change));
    },
    rollbackModel: async (request, { principal }) => {
      const vault = await this.#ownVault(request);
      const change = { vault, actor: principal.name, reason: reasonOf(request) };
      return switched(request, await this.#deps.engine.call("rollback_model", change));
    },
    getModel: (request) => this.#get(request, numberOf(request.version, "version")),
    getActiveModel: (request) => this.#get(request, "active"),
    listModels: async (request) => {
      const { pageTokens, engine } = this.#deps;
      const asked = await this.#asked(request);
      const name = [String(request.organization), String(request.vault)];
      const query = JSON.stringify(["models", ...name]);
      const after = pageTokens.decode(query, request.pageToken);
      const below = after && new DataView(after.buffer, after.byteOffset).getUint32(0);
      const limit = atMost(request.pageSize || MODELS_PAGE_MAX, MODELS_PAGE_MAX, "page_size");
      const page = { ...asked, limit, ...(below !== undefined && { below }) };
      const { models, next, at } = await engine.call("list_models", page);
      const nextPageToken = next === undefined ? EMPTY : pageTokens.encode(query, u32(next));
      return { models: models.map(infoMessage), nextPageToken, ...answeredAt(request, at) };
    },
    diffModels: (request) => this.#diff(request),
    setAssertions: async (request, { principal }) => {
      const vault = await this.#ownVault(request);
      const version = numberOf(request.version, "version");
      const assertions = assertionsOf(request.assertions);
      const change = {
        vault,
        actor: principal.name,
        reason: reasonOf(request),
        version,
        assertions,
      };
      const { at } = await this.#deps.engine.call("set_assertions", change);
      return answeredAt(request, at);
    },
    getAssertions: async (request) => {
      const version = numberOf(request.version, "version");
      const asked = { ...(await this.#asked(request)), version };
      const { assertions, at } = await this.#deps.engine.call("get_assertions", asked);
      return { assertions: assertions.map(assertionMessage), ...answeredAt(request, at) };
    },
  } satisfies ModelHandlers as ModelHandlers;

  async #deploy(
    request: model.DeployModelRequest,
    actor: string,
  ): Promise<model.DeployModelResponse> {
    const { body } = readSource(sourceOf(request.source));
    const { vault, reason } = { vault: await this.#ownVault(request), reason: reasonOf(request) };
    const change = { vault, actor, reason, body, activate: request.activate };
    const {
      model: info,
      existed,
      at,
    } = await this.#deps.engine.call("deploy_model", {
      ...change,
      ...deployedAssertions(request),
    });
    return { ...NO_DRY_RUN, model: infoMessage(info), existed, ...answeredAt(request, at) };
  }

  async #try(request: model.DeployModelRequest): Promise<model.DeployModelResponse> {
    const { body, model: next } = readSource(sourceOf(request.source));
    const vault = await this.#ownVault(request);
    const asked = { vault, consistency: LINEARIZABLE, body, ...deployedAssertions(request) };
    const tried = await this.#deps.engine.call("try_model", asked);
    return {
      model: infoMessage(tried.model),
      existed: tried.model.version !== 0,
      ...answeredAt(request, tried.at),
      diff: diffMessage(diffModels(tried.active?.model ?? NO_MODEL, next)),
      changedAnswers: tried.changed.map(changedAnswerMessage),
      answersCompared: tried.compared,
      unallowedTuples: tried.unallowed.map((tuple) => ({ ...tuple })),
    };
  }

  async #get(request: VaultQuestion, version: number | "active"): Promise<model.GetModelResponse> {
    const asked = { ...(await this.#asked(request)), version };
    const { model: info, body, at } = await this.#deps.engine.call("get_model", asked);
    return {
      model: infoMessage(info),
      source: sourceMessage(body),
      modelJson: JSON.stringify(body.model),
      ...answeredAt(request, at),
    };
  }

  async #diff(request: model.DiffModelsRequest): Promise<model.DiffModelsResponse> {
    const asked = await this.#asked(request);
    const from = numberOf(request.fromVersion, "from_version");
    const before = await this.#version(asked, from === 0 ? "active" : from);
    const after = await this.#target(asked, request.to);
    return {
      diff: diffMessage(diffModels(before.body?.model ?? NO_MODEL, after)),
      fromVersion: BigInt(before.version),
      height: BigInt(before.at.height),
      token: tokenOf(request, before.at),
    };
  }

  /** The active version, or nothing where there is none. */
  async #version(asked: Asked, version: number | "active") {
    const { engine } = this.#deps;
    try {
      const { model: info, body, at } = await engine.call("get_model", { ...asked, version });
      return { version: info.version, body, at };
    } catch (error) {
      if (!(error instanceof LedgerError) || error.code !== "NO_ACTIVE_MODEL") throw error;
      const { at } = await engine.call("get_tip", asked);
      return { version: 0, body: undefined, at };
    }
  }

  async #target(asked: Asked, to: model.DiffModelsRequest["to"]): Promise<AuthorizationModel> {
    if (to?.$case === "source") return readSource(sourceOf(to.value)).model;
    const version = numberOf(to?.value ?? 0n, "to_version");
    const { body } = await this.#deps.engine.call("get_model", { ...asked, version });
    return body.model;
  }

  async #asked(request: VaultQuestion): Promise<Asked> {
    const vault = await this.#vault(request);
    return { vault, consistency: consistencyOf(request.consistency, request, vault) };
  }

  /** For what changes it. */
  async #ownVault(name: VaultName): Promise<number> {
    requireOwnVault(name);
    return this.#vault(name);
  }

  async #vault(name: VaultName): Promise<number> {
    const { vaults } = this.#deps;
    return vaults.known(name) ?? vaults.resolve(name);
  }
}

interface VaultQuestion extends VaultName {
  readonly consistency?: common.Consistency | undefined;
}

interface Asked {
  readonly vault: number;
  readonly consistency: Consistency;
}

const NO_DRY_RUN = { changedAnswers: [], answersCompared: 0, unallowedTuples: [] };

/** None: what the version has stays. */
function deployedAssertions({ assertions }: model.DeployModelRequest): {
  assertions?: readonly ModelAssertion[];
} {
  return assertions.length === 0 ? {} : { assertions: assertionsOf(assertions) };
}

function switched(name: VaultName, reply: EngineReply<"activate_model">) {
  const { model: info, previousVersion, at } = reply;
  return {
    model: info && infoMessage(info),
    previousVersion: BigInt(previousVersion),
    ...answeredAt(name, at),
  };
}

/** A model that is stored nowhere. */
function infoOf(language: ModelLanguage, read: AuthorizationModel, hash: string): model.ModelInfo {
  const types = Object.values(read.types);
  return infoMessage({
    ...{ version: 0, hash, language, schema: read.schema, deployedAtMs: 0, deployedBy: "" },
    types: types.length,
    relations: types.reduce((sum, type) => sum + Object.keys(type.relations).length, 0),
    conditions: Object.keys(read.conditions).length,
    ...{ isActive: false, activatedAtMs: 0, assertions: 0 },
  });
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

interface ModelHandlers {
  readonly [name: string]: Handler<never, unknown>;
  readonly validateModel: Handler<model.ValidateModelRequest, model.ValidateModelResponse>;
  readonly deployModel: Handler<model.DeployModelRequest, model.DeployModelResponse>;
  readonly activateModel: Handler<model.ActivateModelRequest, model.ActivateModelResponse>;
  readonly rollbackModel: Handler<model.RollbackModelRequest, model.RollbackModelResponse>;
  readonly getModel: Handler<model.GetModelRequest, model.GetModelResponse>;
  readonly getActiveModel: Handler<model.GetActiveModelRequest, model.GetActiveModelResponse>;
  readonly listModels: Handler<model.ListModelsRequest, model.ListModelsResponse>;
  readonly diffModels: Handler<model.DiffModelsRequest, model.DiffModelsResponse>;
  readonly setAssertions: Handler<model.SetAssertionsRequest, model.SetAssertionsResponse>;
  readonly getAssertions: Handler<model.GetAssertionsRequest, model.GetAssertionsResponse>;
}
