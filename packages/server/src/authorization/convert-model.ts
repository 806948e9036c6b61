/** Models, assertions and their changes, from messages and to them. */
import type {
  ChangedAnswer,
  ModelAssertion,
  ModelBody,
  ModelFile,
  ModelLanguage,
} from "@authledger/authz";
import type { ModelInfo } from "@authledger/engine";
import { model } from "@authledger/proto";
import { fromHex, LedgerError, limits, utf8Length, validateFreeText } from "@authledger/types";
import { atMost, ITEM, itemsOf, missing, tupleOf } from "../convert-request.js";
import { contextualTupleMessage, tupleMessage } from "./convert-answer.js";
import { contextOf } from "./convert-condition.js";
import { contextualTuplesOf } from "./convert-question.js";

/** Files of a model, and the length of a file's name. */
const FILES_MAX = 100;
const FILE_NAME_BYTES_MAX = 256;
/** Bytes of all files: with the model that they say, they are one body of 256 KiB. */
const SOURCE_BYTES_MAX: number = 128 * 1024;
const ASSERTIONS_MAX = 1_000;

const LANGUAGES: ReadonlyMap<model.ModelLanguage, ModelLanguage> = new Map([
  [model.ModelLanguage.MODEL_LANGUAGE_UNSPECIFIED, "openfga"],
  [model.ModelLanguage.MODEL_LANGUAGE_OPENFGA, "openfga"],
  [model.ModelLanguage.MODEL_LANGUAGE_OPENFGA_JSON, "openfga-json"],
  [model.ModelLanguage.MODEL_LANGUAGE_SPICEDB, "spicedb"],
]);

const LANGUAGE_MESSAGES: Readonly<Record<ModelLanguage, model.ModelLanguage>> = {
  openfga: model.ModelLanguage.MODEL_LANGUAGE_OPENFGA,
  "openfga-json": model.ModelLanguage.MODEL_LANGUAGE_OPENFGA_JSON,
  spicedb: model.ModelLanguage.MODEL_LANGUAGE_SPICEDB,
};

export interface Source {
  readonly language: ModelLanguage;
  readonly files: readonly ModelFile[];
}

/** @throws LedgerError INVALID_ARGUMENT, LIMIT_EXCEEDED */
export function sourceOf(message: model.ModelSource | undefined): Source {
  if (message === undefined) throw missing("source");
  const language = LANGUAGES.get(message.language);
  if (language === undefined) {
    throw new LedgerError("INVALID_ARGUMENT", `language ${message.language} is not known`, {
      details: { field: "source.language" },
    });
  }
  const { files } = message;
  if (files.length === 0) throw missing("source.files");
  atMost(files.length, FILES_MAX, "source.files");
  const bytes = files.reduce((sum, { text }) => sum + utf8Length(text), 0);
  atMost(bytes, SOURCE_BYTES_MAX, "bytes of source.files");
  for (const { name } of files) validateFreeText(name, FILE_NAME_BYTES_MAX, "source.files.name");
  return { language, files: files.map(({ name, text }) => ({ name, text })) };
}

export function sourceMessage({ language, files }: ModelBody): model.ModelSource {
  return { language: LANGUAGE_MESSAGES[language], files: files.map((file) => ({ ...file })) };
}

/** @throws LedgerError INVALID_ARGUMENT, INVALID_TUPLE, LIMIT_EXCEEDED */
export function assertionsOf(messages: readonly model.Assertion[]): readonly ModelAssertion[] {
  atMost(messages.length, ASSERTIONS_MAX, "assertions");
  return itemsOf(messages, "assertions", (message) => {
    const { resource: object, relation, subject } = tupleOf(message.tuple, ITEM);
    const context = contextOf(message.contextJson, "context_json") ?? {};
    const { contextualTuples = [] } = contextualTuplesOf(
      message.contextualTuples,
      "contextual_tuples",
    );
    return { object, relation, subject, expected: message.expected, context, contextualTuples };
  });
}

export function assertionMessage(assertion: ModelAssertion): model.Assertion {
  const { expected, context } = assertion;
  const isEmpty = Object.keys(context).length === 0;
  return {
    tuple: tupleMessage(assertion),
    expected,
    contextJson: isEmpty ? "" : JSON.stringify(context),
    contextualTuples: assertion.contextualTuples.map(contextualTupleMessage),
  };
}

export function infoMessage(info: ModelInfo): model.ModelInfo {
  const { schema, types, relations, conditions, assertions, deployedBy } = info;
  return {
    ...{ schema, types, relations, conditions, assertions, deployedBy },
    version: BigInt(info.version),
    hash: fromHex(info.hash),
    language: LANGUAGE_MESSAGES[info.language],
    deployedAtMs: BigInt(info.deployedAtMs),
    active: info.isActive,
    activatedAtMs: BigInt(info.activatedAtMs),
  };
}

export function changedAnswerMessage(change: ChangedAnswer): model.ChangedAnswer {
  const { tuple, before, after, isAsserted, reason = "" } = change;
  return {
    tuple,
    asserted: isAsserted,
    reason,
    ...(before !== undefined && { before }),
    ...(after !== undefined && { after }),
  };
}

/** @throws LedgerError LIMIT_EXCEEDED, INVALID_ARGUMENT */
export function reasonOf({ reason }: { readonly reason: string }): string {
  validateFreeText(reason, limits.REASON_BYTES_MAX, "reason");
  return reason;
}
