/** Models, assertions and their changes, from messages and to them. */
import type {
  ChangedAnswer,
  ModelAssertion,
  ModelBody,
  ModelChange,
  ModelFile,
  ModelLanguage,
  RelationTuple,
} from "@authledger/authz";
import { type common, model } from "@authledger/proto";
import { fromHex, LedgerError } from "@authledger/types";
import { contextOf, tupleConditionMessage } from "../calls/convert.js";
import { broughtAlong } from "../calls/decision-proving.js";
import type { VersionInfo } from "./model-records.js";
import { atMost, missing, tupleOf } from "./requests.js";

/** Files of a model, assertions of a version, and changes that one answer gives. */
const FILES_MAX = 100;
const ASSERTIONS_MAX = 1_000;
const CHANGES_MAX = 1_000;

const LANGUAGES: Readonly<Record<ModelLanguage, model.ModelLanguage>> = {
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
  const { files } = message;
  if (files.length === 0) throw missing("source.files");
  atMost(files.length, FILES_MAX, "source.files");
  return { language: languageOf(message.language), files };
}

function languageOf(message: model.ModelLanguage): ModelLanguage {
  if (message === model.ModelLanguage.MODEL_LANGUAGE_UNSPECIFIED) return "openfga";
  const found = Object.entries(LANGUAGES).find(([, number]) => number === message);
  if (found !== undefined) return found[0] as ModelLanguage;
  throw new LedgerError("INVALID_ARGUMENT", `language ${message} is not known`, {
    details: { field: "source.language" },
  });
}

export function sourceMessage({ language, files }: ModelBody): model.ModelSource {
  return { language: LANGUAGES[language], files: files.map((file) => ({ ...file })) };
}

export function infoMessage(info: VersionInfo): model.ModelInfo {
  const { schema, types, relations, conditions, assertions, deployedBy } = info;
  return {
    ...{ schema, types, relations, conditions, assertions, deployedBy },
    version: BigInt(info.version),
    hash: fromHex(info.hash),
    language: LANGUAGES[info.language],
    deployedAtMs: BigInt(info.deployedAtMs),
    active: info.isActive,
    activatedAtMs: BigInt(info.activatedAtMs),
  };
}

/** @throws LedgerError INVALID_ARGUMENT, INVALID_TUPLE, LIMIT_EXCEEDED */
export function assertionsOf(messages: readonly model.Assertion[]): readonly ModelAssertion[] {
  atMost(messages.length, ASSERTIONS_MAX, "assertions");
  return messages.map(({ tuple, expected, contextJson, contextualTuples }) => {
    const { resource: object, relation, subject } = tupleOf(tuple);
    const brought = broughtAlong({ contextJson: "", contextualTuples });
    const context = contextJson === "" ? {} : contextOf(contextJson);
    const given = brought.contextualTuples ?? [];
    return { object, relation, subject, expected, context, contextualTuples: given };
  });
}

export function assertionMessage(assertion: ModelAssertion): model.Assertion {
  const { expected, context, contextualTuples } = assertion;
  const isEmpty = Object.keys(context).length === 0;
  return {
    tuple: tupleMessage(assertion),
    expected,
    contextJson: isEmpty ? "" : JSON.stringify(context),
    contextualTuples: contextualTuples.map((one) => ({
      tuple: tupleMessage(one),
      condition: one.condition && tupleConditionMessage(one.condition),
    })),
  };
}

export function tupleMessage({
  object: resource,
  relation,
  subject,
}: Pick<RelationTuple, "object" | "relation" | "subject">): common.Tuple {
  return { resource, relation, subject };
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

export function diffMessage(changes: readonly ModelChange[]): model.ModelDiff {
  const shown = changes.slice(0, CHANGES_MAX).map(({ kind, what, subject, breaking, message }) => ({
    ...{ kind: `${what}_${kind}`, subject, breaking, message },
  }));
  return { changes: shown, truncated: changes.length > CHANGES_MAX };
}
