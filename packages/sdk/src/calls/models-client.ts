/** The life of a vault's models: deploy, activate, roll back, compare, and what must hold under them. */
import {
  type AuthorizationModel,
  type ConditionContext,
  canonicalJson,
  type ModelFile,
  type ModelLanguage,
} from "@authledger/authz";
import { model } from "@authledger/proto";
import type { Tuple } from "@authledger/types";
import { type Consistency, consistencyMessage } from "../consistency.js";
import type { CallOptions, VaultName } from "../options.js";
import type { Session } from "../session.js";
import { contextOf, malformed, plain, tupleConditionOf, tupleOf } from "./convert.js";
import { answeredAt, type ContextualTuple, contextualTupleMessage } from "./decisions.js";
import { PagedList, type UnprovenListOptions } from "./paged-list.js";
import type { Answer, TupleInput } from "./values.js";

const SERVICE = model.ModelServiceService;
const MODELS_PAGE_MAX = 100;

/** A model as people write it: the text of one file in OpenFGA's language, or all of it. */
export type ModelSource =
  | string
  | {
      /** Default: `openfga`. */
      readonly language?: ModelLanguage | undefined;
      /** One file, or an fga.mod and the modules that it names. */
      readonly files: readonly ModelFile[];
    };

export interface ModelInfo {
  /** From 1; 0 = it is not stored. */
  readonly version: bigint;
  /** SHA-256 of the stored body. */
  readonly hash: Uint8Array;
  readonly language: ModelLanguage;
  readonly schema: string;
  readonly types: number;
  readonly relations: number;
  readonly conditions: number;
  readonly deployedAtMs: bigint;
  readonly deployedBy: string;
  readonly active: boolean;
  /** 0 where it is not active. */
  readonly activatedAtMs: bigint;
  readonly assertions: number;
}

/** Where a model is wrong. */
export interface ModelProblem {
  readonly file: string;
  /** From 1; 0 = unknown. */
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

/** A check with the answer that it must have. */
export interface Assertion {
  readonly tuple: TupleInput;
  readonly expected: boolean;
  readonly context?: ConditionContext | undefined;
  readonly contextualTuples?: readonly ContextualTuple[] | undefined;
}

export type ModelChange = model.ModelChange;

export interface ModelDiff {
  readonly changes: readonly ModelChange[];
  /** There are more. */
  readonly truncated: boolean;
}

/** A question whose answer a model would change. */
export interface ChangedAnswer {
  readonly tuple: Tuple;
  /** Undefined: there was none. */
  readonly before: boolean | undefined;
  readonly after: boolean | undefined;
  /** It is an assertion, and not a sample. */
  readonly asserted: boolean;
  readonly reason: string;
}

export interface DeployOptions extends CallOptions {
  /** Change nothing; say what it would change. */
  readonly dryRun?: boolean | undefined;
  /** Activate it at once. */
  readonly activate?: boolean | undefined;
  /** In place of those that the version has. */
  readonly assertions?: readonly Assertion[] | undefined;
  readonly reason?: string | undefined;
}

export interface Deployed extends Answer {
  readonly model: ModelInfo;
  /** It was stored before. */
  readonly existed: boolean;
  /** Of a dry run: against the active model. */
  readonly diff?: ModelDiff;
  /** Of a dry run: among sampled and asserted checks. */
  readonly changedAnswers: readonly ChangedAnswer[];
  /** Of a dry run: checks that were compared. */
  readonly answersCompared: number;
  /** Of a dry run: stored tuples of the sample that the model does not allow. */
  readonly unallowedTuples: readonly Tuple[];
}

export interface Switched extends Answer {
  /** Undefined where none is active from now on. */
  readonly model: ModelInfo | undefined;
  /** 0 = there was none. */
  readonly previousVersion: bigint;
}

export interface StoredModel extends Answer {
  readonly model: ModelInfo;
  readonly source: { readonly language: ModelLanguage; readonly files: readonly ModelFile[] };
  /** What is evaluated. */
  readonly definition: AuthorizationModel;
}

export interface ModelReadOptions extends CallOptions {
  readonly consistency?: Consistency | undefined;
}

export interface ReasonOptions extends CallOptions {
  /** For the record. */
  readonly reason?: string | undefined;
}

export class ModelsClient {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  /** What is wrong with a model, with file, line and column; nothing: it is valid. */
  async validate(
    source: ModelSource,
    options: CallOptions = {},
  ): Promise<{ readonly problems: readonly ModelProblem[]; readonly model?: ModelInfo }> {
    const request = { source: sourceMessage(source) };
    const { problems, info } = await this.#session.call(SERVICE.validateModel, request, options);
    return { problems, ...(info && { model: infoOf(info) }) };
  }

  /**
   * Stores a model as the next version; the same model again is the same version.
   * @throws LedgerError MODEL_INVALID with line and column, MODEL_ASSERTION_FAILED
   */
  async deploy(source: ModelSource, options: DeployOptions = {}): Promise<Deployed> {
    const { dryRun = false, activate = false, assertions = [], reason = "" } = options;
    const response = await this.#session.call(
      SERVICE.deployModel,
      {
        ...this.#session.vault(),
        source: sourceMessage(source),
        assertions: assertions.map(assertionMessage),
        ...{ dryRun, activate, reason },
      },
      options,
    );
    const { existed, diff, answersCompared } = response;
    return {
      model: infoOf(response.model),
      ...{ existed, answersCompared, ...answeredAt(response) },
      ...(diff && { diff }),
      changedAnswers: response.changedAnswers.map(changedAnswerOf),
      unallowedTuples: response.unallowedTuples,
    };
  }

  /**
   * Makes a version the active one; 0: none is active from now on.
   * @throws LedgerError MODEL_NOT_FOUND, MODEL_ASSERTION_FAILED
   */
  async activate(version: bigint | number, options: ReasonOptions = {}): Promise<Switched> {
    const { reason = "" } = options;
    const request = { ...this.#session.vault(), version: BigInt(version), reason };
    return switchedOf(await this.#session.call(SERVICE.activateModel, request, options));
  }

  /** Makes the version active that was active before. @throws LedgerError MODEL_NOT_FOUND, MODEL_ASSERTION_FAILED */
  async rollback(options: ReasonOptions = {}): Promise<Switched> {
    const request = { ...this.#session.vault(), reason: options.reason ?? "" };
    return switchedOf(await this.#session.call(SERVICE.rollbackModel, request, options, "once"));
  }

  /** @throws LedgerError MODEL_NOT_FOUND */
  async get(version: bigint | number, options: ModelReadOptions = {}): Promise<StoredModel> {
    const request = { ...this.#asked(options), version: BigInt(version) };
    return storedOf(await this.#session.call(SERVICE.getModel, request, options));
  }

  /** @throws LedgerError NO_ACTIVE_MODEL */
  async active(options: ModelReadOptions = {}): Promise<StoredModel> {
    return storedOf(
      await this.#session.call(SERVICE.getActiveModel, this.#asked(options), options),
    );
  }

  /** Newest first. */
  list(options: UnprovenListOptions = {}): PagedList<ModelInfo> {
    const limited = { pageSize: MODELS_PAGE_MAX, ...options, unproven: true };
    return new PagedList(this.#session, limited, async (page) => {
      const response = await this.#session.call(SERVICE.listModels, page, options);
      return { ...response, rows: response.models.map(infoOf) };
    });
  }

  /** What changes from a version (default: the active one) to another one, or to one that is not stored. */
  async diff(
    to: bigint | number | ModelSource,
    options: ModelReadOptions & { readonly from?: bigint | number | undefined } = {},
  ): Promise<ModelDiff & Answer & { readonly fromVersion: bigint }> {
    const isVersion = typeof to === "bigint" || typeof to === "number";
    const response = await this.#session.call(
      SERVICE.diffModels,
      {
        ...this.#asked(options),
        fromVersion: BigInt(options.from ?? 0),
        to: isVersion
          ? { $case: "toVersion", value: BigInt(to) }
          : { $case: "source", value: sourceMessage(to) },
      },
      options,
    );
    const { changes, truncated } = response.diff ?? { changes: [], truncated: false };
    return { changes, truncated, fromVersion: response.fromVersion, ...answeredAt(response) };
  }

  /** Replaces what must hold under a version. @throws LedgerError MODEL_ASSERTION_FAILED where it is active */
  async setAssertions(
    version: bigint | number,
    assertions: readonly Assertion[],
    options: ReasonOptions = {},
  ): Promise<Answer> {
    const request = {
      ...this.#session.vault(),
      version: BigInt(version),
      assertions: assertions.map(assertionMessage),
      reason: options.reason ?? "",
    };
    return answeredAt(await this.#session.call(SERVICE.setAssertions, request, options));
  }

  async assertions(
    version: bigint | number,
    options: ModelReadOptions = {},
  ): Promise<Answer & { readonly assertions: readonly Assertion[] }> {
    const request = { ...this.#asked(options), version: BigInt(version) };
    const response = await this.#session.call(SERVICE.getAssertions, request, options);
    return { assertions: response.assertions.map(assertionOf), ...answeredAt(response) };
  }

  #asked({ consistency }: ModelReadOptions): VaultName & {
    readonly consistency: ReturnType<typeof consistencyMessage>;
  } {
    return { ...this.#session.vault(), consistency: consistencyMessage(consistency) };
  }
}

const LANGUAGES: Readonly<Record<ModelLanguage, model.ModelLanguage>> = {
  openfga: model.ModelLanguage.MODEL_LANGUAGE_OPENFGA,
  "openfga-json": model.ModelLanguage.MODEL_LANGUAGE_OPENFGA_JSON,
  spicedb: model.ModelLanguage.MODEL_LANGUAGE_SPICEDB,
};

function sourceMessage(source: ModelSource): model.ModelSource {
  const given = typeof source === "string" ? { files: [{ name: "", text: source }] } : source;
  const { files } = given;
  const language = "language" in given ? (given.language ?? "openfga") : "openfga";
  return { language: LANGUAGES[language], files: files.map((file) => ({ ...file })) };
}

function languageOf(message: model.ModelLanguage): ModelLanguage {
  const found = Object.entries(LANGUAGES).find(([, number]) => number === message);
  if (found === undefined) throw malformed(`the model language ${message}`);
  return found[0] as ModelLanguage;
}

function infoOf(message: model.ModelInfo | undefined): ModelInfo {
  if (message === undefined) throw malformed("a model without its version");
  return { ...message, hash: plain(message.hash), language: languageOf(message.language) };
}

function assertionMessage(assertion: Assertion): model.Assertion {
  const { tuple, expected, context, contextualTuples = [] } = assertion;
  return {
    tuple: tupleOf(tuple),
    expected,
    contextJson: context === undefined ? "" : canonicalJson(context),
    contextualTuples: contextualTuples.map(contextualTupleMessage),
  };
}

function assertionOf(message: model.Assertion): Assertion {
  const { tuple, expected, contextJson } = message;
  if (tuple === undefined) throw malformed("an assertion without a tuple");
  const contextualTuples = message.contextualTuples.map(({ tuple: given, condition }) => {
    if (given === undefined) throw malformed("an assertion without a tuple");
    return { tuple: given, ...(condition && { condition: tupleConditionOf(condition) }) };
  });
  return {
    tuple,
    expected,
    ...(contextJson !== "" && { context: contextOf(contextJson) }),
    ...(contextualTuples.length > 0 && { contextualTuples }),
  };
}

function changedAnswerOf(message: model.ChangedAnswer): ChangedAnswer {
  const { tuple, before, after, asserted, reason } = message;
  if (tuple === undefined) throw malformed("an answer without a tuple");
  return { tuple, before, after, asserted, reason };
}

function switchedOf(response: model.ActivateModelResponse): Switched {
  const { previousVersion } = response;
  return {
    model: response.model && infoOf(response.model),
    previousVersion,
    ...answeredAt(response),
  };
}

function storedOf(response: model.GetModelResponse): StoredModel {
  const { source, modelJson } = response;
  if (source === undefined) throw malformed("a model without its source");
  return {
    model: infoOf(response.model),
    source: { language: languageOf(source.language), files: source.files },
    definition: JSON.parse(modelJson) as AuthorizationModel,
    ...answeredAt(response),
  };
}
