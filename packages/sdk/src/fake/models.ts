/** ModelService of a fake ledger. Parsing, comparing and trying models are the node's own (packages/authz). */
import { createHash } from "node:crypto";
import {
  ACTIVE_MODEL_KEY,
  type ActiveModel,
  type AuthorizationModel,
  aboutModel,
  compileModel,
  decodeModelBody,
  diffModels,
  dryRun,
  encodeActiveModel,
  encodeAssertions,
  encodeModelAbout,
  encodeModelBody,
  encodeTupleCondition,
  MODEL_VERSIONS_MAX,
  type ModelBody,
  modelAboutKey,
  modelAssertionsKey,
  modelBodyKey,
  ROLLBACKS_MAX,
  requireAssertions,
  type Trial,
} from "@authledger/authz";
import { problemsOf, readLedgerModel } from "@authledger/authz/language";
import type { model } from "@authledger/proto";
import { ByteReader, ByteWriter, LedgerError, limits, validateFreeText } from "@authledger/types";
import type { VaultName } from "../options.js";
import {
  assertionMessage,
  assertionsOf,
  changedAnswerMessage,
  diffMessage,
  infoMessage,
  type Source,
  sourceMessage,
  sourceOf,
} from "./model-messages.js";
import {
  activeRecord,
  assertionsAt,
  compiledOf,
  decidingModel,
  infoOf,
  newestVersion,
  recordKey,
  requireVersion,
  type Values,
  versionOfHash,
} from "./model-records.js";
import { atMost, numberOf } from "./requests.js";
import { type RecordValue, sealRecords } from "./sealing.js";
import type { FakeState } from "./state.js";
import { decodePageToken, encodePageToken } from "./tokens.js";
import { View, valuesOf } from "./view.js";
import { ViewTuples } from "./view-tuples.js";

const MODELS_PAGE_MAX = 100;
/** Tuples that a dry run looks at. */
const SAMPLE_MAX = 512;
/** What the questions of one trial may go down, and cost together. */
const TRIAL_LIMITS = { depth: 25, cost: 40_000 };
const EMPTY = new Uint8Array(0);
const NO_MODEL: AuthorizationModel = { schema: "1.1", types: {}, conditions: {} };
const NO_DRY_RUN = { changedAnswers: [], answersCompared: 0, unallowedTuples: [] };

type Change = VaultName & { readonly reason: string };
type At = { readonly height: bigint; readonly token: Uint8Array };

/** What a vault is, and what is to be written to it. */
type Plan = (values: Values, view: View) => readonly RecordValue[];

export class FakeModels {
  readonly #state: FakeState;

  constructor(state: FakeState) {
    this.#state = state;
  }

  validateModel({ source }: model.ValidateModelRequest): model.ValidateModelResponse {
    const wanted = sourceOf(source);
    try {
      const { body, hash } = readSource(wanted);
      return { problems: [], info: infoMessage(notStored(body, hash)) };
    } catch (error) {
      if (!(error instanceof LedgerError) || error.code !== "MODEL_INVALID") throw error;
      const problems = problemsOf(error).map(({ file = "", line = 0, column = 0, message }) => ({
        ...{ file, line, column, message },
      }));
      return { problems };
    }
  }

  deployModel(request: model.DeployModelRequest): model.DeployModelResponse {
    return request.dryRun ? this.#try(request) : this.#deploy(request);
  }

  activateModel(request: model.ActivateModelRequest): model.ActivateModelResponse {
    const version = numberOf(request.version, "version");
    return this.#switch(request, (values) => {
      if (version !== 0) requireVersion(values, version);
      return { version };
    });
  }

  rollbackModel(request: model.RollbackModelRequest): model.RollbackModelResponse {
    return this.#switch(request, (values) => {
      const [version, ...before] = activeRecord(values).before;
      if (version !== undefined) return { version, before };
      const message = "no other model was active before: there is nothing to roll back to";
      throw new LedgerError("MODEL_NOT_FOUND", message);
    });
  }

  getModel(request: model.GetModelRequest): model.GetModelResponse {
    const view = new View(this.#state, request);
    return stored(view, numberOf(request.version, "version"));
  }

  getActiveModel(request: model.GetActiveModelRequest): model.GetActiveModelResponse {
    const view = new View(this.#state, request);
    const { version } = activeRecord(valuesOf(view));
    if (version !== 0) return stored(view, version);
    throw new LedgerError("NO_ACTIVE_MODEL", "no model of the vault is active");
  }

  listModels(request: model.ListModelsRequest): model.ListModelsResponse {
    const limit = atMost(request.pageSize || MODELS_PAGE_MAX, MODELS_PAGE_MAX, "page_size");
    const query = `models of ${request.organization}/${request.vault}`;
    const position = decodePageToken(query, request.pageToken);
    const below = position && new ByteReader(position, "page token").u32("version");
    const view = new View(this.#state, request);
    const values = valuesOf(view);
    const first = Math.min(newestVersion(values), (below ?? Number.MAX_SAFE_INTEGER) - 1);
    const last = Math.max(1, first - limit + 1);
    const models: model.ModelInfo[] = [];
    for (let version = first; version >= last; version--) {
      models.push(infoMessage(infoOf(values, version, requireVersion(values, version))));
    }
    const next = last > 1 ? new ByteWriter(4).u32(last).finish() : undefined;
    return { models, nextPageToken: next ? encodePageToken(query, next) : EMPTY, ...view.at };
  }

  diffModels(request: model.DiffModelsRequest): model.DiffModelsResponse {
    const view = new View(this.#state, request);
    const values = valuesOf(view);
    const named = numberOf(request.fromVersion, "from_version");
    const from = named === 0 ? activeRecord(values).version : named;
    const before = from === 0 ? NO_MODEL : bodyAt(values, from).model;
    const { to } = request;
    const after =
      to?.$case === "source"
        ? readSource(sourceOf(to.value)).body.model
        : bodyAt(values, numberOf(to?.value ?? 0n, "to_version")).model;
    const diff = diffMessage(diffModels(before, after));
    return { diff, fromVersion: BigInt(from), ...view.at };
  }

  setAssertions(request: model.SetAssertionsRequest): model.SetAssertionsResponse {
    const version = numberOf(request.version, "version");
    const assertions = assertionsOf(request.assertions);
    return this.#change(request, (values, view) => {
      requireVersion(values, version);
      const value = encodeAssertions(assertions);
      if (isSame(value, encodeAssertions(assertionsAt(values, version)))) return [];
      if (activeRecord(values).version === version) {
        requireAssertions(trialOf(view), compiledOf(values, version), assertions);
      }
      return [{ ...modelAssertionsKey(version), value }];
    });
  }

  getAssertions(request: model.GetAssertionsRequest): model.GetAssertionsResponse {
    const version = numberOf(request.version, "version");
    const view = new View(this.#state, request);
    requireVersion(valuesOf(view), version);
    const assertions = assertionsAt(valuesOf(view), version).map(assertionMessage);
    return { assertions, ...view.at };
  }

  #deploy(request: model.DeployModelRequest): model.DeployModelResponse {
    const { body, bytes, hash } = readSource(sourceOf(request.source));
    const compiled = compileModel(body.model);
    const given = request.assertions.length > 0 ? assertionsOf(request.assertions) : undefined;
    let [version, existed] = [0, false];
    const at = this.#change(request, (values, view) => {
      const existing = versionOfHash(values, hash);
      existed = existing !== undefined;
      version = existing ?? nextVersion(values);
      const active = activeRecord(values);
      const before = existed ? assertionsAt(values, version) : [];
      const encoded = given && encodeAssertions(given);
      const isSet = encoded !== undefined && !isSame(encoded, encodeAssertions(before));
      const isSwitched = request.activate && active.version !== version;
      if (isSwitched || (isSet && active.version === version)) {
        requireAssertions(trialOf(view), compiled, given ?? before);
      }
      const stamp = { hash, deployedAtMs: view.timeMs, deployedBy: "anonymous" };
      const about = encodeModelAbout(aboutModel(body, stamp));
      return [
        ...(existed
          ? []
          : [
              { ...modelBodyKey(version), value: bytes },
              { ...modelAboutKey(version), value: about },
            ]),
        ...(isSet ? [{ ...modelAssertionsKey(version), value: encoded }] : []),
        ...(isSwitched ? [activation(active, { version, hash, timeMs: view.timeMs })] : []),
      ];
    });
    return { ...NO_DRY_RUN, model: this.#info(request, version), existed, ...at };
  }

  #try(request: model.DeployModelRequest): model.DeployModelResponse {
    const { body, hash } = readSource(sourceOf(request.source));
    const { organization, vault } = request;
    const view = new View(this.#state, { organization, vault });
    const values = valuesOf(view);
    const active = decidingModel(values);
    const version = versionOfHash(values, hash) ?? 0;
    const stored = active === undefined ? [] : assertionsAt(values, active.version);
    const own = version === 0 ? [] : assertionsAt(values, version);
    const given = request.assertions.length > 0 ? assertionsOf(request.assertions) : own;
    const found = dryRun(trialOf(view), {
      before: active?.compiled,
      after: compileModel(body.model),
      assertions: [...given, ...stored],
      sample: sampleOf(view),
    });
    const before = active === undefined ? NO_MODEL : bodyAt(values, active.version).model;
    const about = version === 0 ? notStored(body, hash) : requireVersion(values, version);
    return {
      model: infoMessage(infoOf(values, version, about)),
      existed: version !== 0,
      diff: diffMessage(diffModels(before, body.model)),
      changedAnswers: found.changed.map(changedAnswerMessage),
      answersCompared: found.compared,
      unallowedTuples: [...found.unallowed],
      ...view.at,
    };
  }

  /** Makes another version the active one, or none. */
  #switch(
    request: Change,
    choose: (values: Values) => { readonly version: number; readonly before?: readonly number[] },
  ): model.ActivateModelResponse {
    let [version, previous] = [0, 0];
    const at = this.#change(request, (values, view) => {
      const active = activeRecord(values);
      const chosen = choose(values);
      version = chosen.version;
      previous = active.version;
      if (version === previous) return [];
      if (version !== 0) {
        const assertions = assertionsAt(values, version);
        requireAssertions(trialOf(view), compiledOf(values, version), assertions);
      }
      const hash = version === 0 ? "" : requireVersion(values, version).hash;
      return [activation(active, { version, hash, timeMs: view.timeMs }, chosen.before)];
    });
    const info = version === 0 ? undefined : this.#info(request, version);
    return { model: info, previousVersion: BigInt(previous), ...at };
  }

  /** Where the change is, or where the vault is if there was nothing to change. */
  #change({ organization, vault, reason }: Change, plan: Plan): At {
    validateFreeText(reason, limits.REASON_BYTES_MAX, "reason");
    const view = new View(this.#state, { organization, vault });
    const records = plan(valuesOf(view), view);
    if (records.length === 0) return view.at;
    const { index, timeMs } = this.#state.next();
    const block = view.open.vault.begin(timeMs, index);
    const { transaction, values } = sealRecords(records, { reason, timestampMs: timeMs });
    block.run(transaction, values);
    block.finish();
    return new View(this.#state, { organization, vault }).at;
  }

  #info({ organization, vault }: VaultName, version: number): model.ModelInfo {
    const values = valuesOf(new View(this.#state, { organization, vault }));
    return infoMessage(infoOf(values, version, requireVersion(values, version)));
  }
}

/** @throws LedgerError MODEL_INVALID with line and column, LIMIT_EXCEEDED */
function readSource({ language, files }: Source): {
  readonly body: ModelBody;
  readonly bytes: Uint8Array;
  readonly hash: string;
} {
  const body = { language, files, model: readLedgerModel(language, files) };
  const bytes = encodeModelBody(body);
  return { body, bytes, hash: createHash("sha256").update(bytes).digest("hex") };
}

function notStored(body: ModelBody, hash: string) {
  const about = aboutModel(body, { hash, deployedAtMs: 0, deployedBy: "" });
  return { ...about, version: 0, isActive: false, activatedAtMs: 0, assertions: 0 };
}

function stored(view: View, version: number): model.GetModelResponse {
  const values = valuesOf(view);
  const about = requireVersion(values, version);
  const body = bodyAt(values, version);
  return {
    model: infoMessage(infoOf(values, version, about)),
    source: sourceMessage(body),
    modelJson: JSON.stringify(body.model),
    ...view.at,
  };
}

/** @throws LedgerError MODEL_NOT_FOUND */
function bodyAt(values: Values, version: number): ModelBody {
  requireVersion(values, version);
  return decodeModelBody(values(recordKey(modelBodyKey(version)))!.value);
}

/** @throws LedgerError LIMIT_EXCEEDED */
function nextVersion(values: Values): number {
  return atMost(newestVersion(values) + 1, MODEL_VERSIONS_MAX, "version");
}

/** @param before where rollbacks go from then on; absent: back to what is active now */
function activation(
  active: ActiveModel,
  { version, hash, timeMs }: { version: number; hash: string; timeMs: number },
  before: readonly number[] = active.version === 0
    ? active.before
    : [active.version, ...active.before],
): RecordValue {
  const kept = before.slice(0, ROLLBACKS_MAX);
  const record = { version, hash, activatedAtMs: timeMs, before: kept };
  return { ...ACTIVE_MODEL_KEY, value: encodeActiveModel(record) };
}

function trialOf(view: View): Trial {
  const tuples = new ViewTuples(view);
  return { tuples: () => tuples, limits: TRIAL_LIMITS };
}

function sampleOf(view: View) {
  const all = [...new ViewTuples(view).all()].slice(0, SAMPLE_MAX);
  return all.map(({ object: resource, relation, subject, condition }) => ({
    tuple: { resource, relation, subject },
    value: condition && encodeTupleCondition(condition),
  }));
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
