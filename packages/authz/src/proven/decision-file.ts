/**
 * What lies beside the receipt of a decision so that it can be decided again, years later and without a server: question,
 * answer, the model's body and the values (docs/format/decision.md). JSON, bytes as base64. Nothing in it is believed: the
 * receipt commits to all of it, but for the question, which is the reader's to look at.
 */
import { fromBase64, toBase64 } from "@authledger/proof";
import type { ConditionContext } from "../condition/context.js";
import type { RelationTuple } from "../evaluate/tuple-reader.js";
import type { DecisionAnswer, DecisionQuestion } from "./question.js";
import { refuse } from "./refuse.js";
import type { SentDecision } from "./verify-decision.js";

const FORMAT = 1;
/** Goes up when the evaluator begins to read in another way, so that old evidence may not suffice it. */
export const EVALUATOR_REVISION = 1;
/** A body of 256 KiB, and the values of the conditional tuples that fit an answer: 12 MiB. */
const CHARACTERS_MAX = 12 * 1024 * 1024;

export interface DecisionFile extends SentDecision {
  /** Revision of the evaluator whose reads the evidence covers. */
  readonly evaluator: number;
  readonly question: DecisionQuestion;
  /** What the server said; a verifier computes its own. */
  readonly answer: DecisionAnswer;
  /** T of a current answer, where that is later than the block's time; its receipt bounds it. */
  readonly judgedAtMs?: number;
}

export function formatDecisionFile(file: Omit<DecisionFile, "evaluator">): string {
  const { question, answer, judgedAtMs, activeModel, modelBody, tupleValues } = file;
  return `${JSON.stringify({
    format: FORMAT,
    evaluator: EVALUATOR_REVISION,
    question: questionFields(question),
    answer: answerFields(answer),
    judged_at_ms: judgedAtMs,
    active_model: toBase64(activeModel),
    model_body: toBase64(modelBody),
    tuple_values: tupleValues.map(toBase64),
  })}\n`;
}

/** @throws LedgerError PROOF_INVALID with reason "file", naming the field */
export function parseDecisionFile(text: string): DecisionFile {
  if (text.length > CHARACTERS_MAX) throw malformed("file", `has ${text.length} characters`);
  const fields = new Fields(parseJson(text), "file");
  if (fields.get("format") !== FORMAT) throw malformed("format", `is not ${FORMAT}`);
  const question = readQuestion(fields.object("question"));
  return {
    evaluator: fields.whole("evaluator"),
    question,
    answer: readAnswer(question.kind, fields.object("answer")),
    ...(fields.has("judged_at_ms") && { judgedAtMs: fields.whole("judged_at_ms") }),
    activeModel: fields.bytes("active_model"),
    modelBody: fields.bytes("model_body"),
    tupleValues: fields.list("tuple_values").map((item) => bytesOf(item, "tuple_values")),
  };
}

function questionFields(question: DecisionQuestion): object {
  const shared = {
    context: question.context,
    contextual_tuples: question.contextualTuples?.map(tupleFields),
  };
  switch (question.kind) {
    case "check":
      return { kind: question.kind, checks: question.checks.map(checkFields), ...shared };
    case "list_objects": {
      const { kind, type, relation, subject } = question;
      return { kind, type, relation, subject, ...pageFields(question), ...shared };
    }
    case "list_users": {
      const { kind, object, relation, filters } = question;
      return { kind, object, relation, filters, ...pageFields(question), ...shared };
    }
  }
}

function pageFields({ limit, cursor }: { limit: number; cursor?: Uint8Array | undefined }): object {
  return { limit, cursor: cursor && toBase64(cursor) };
}

function checkFields({ object, relation, subject }: RelationTuple): object {
  return { object, relation, subject };
}

function tupleFields(tuple: RelationTuple): object {
  const { condition } = tuple;
  const { name, context } = condition ?? {};
  return { ...checkFields(tuple), condition: condition && { name, context } };
}

function answerFields(answer: DecisionAnswer): object {
  if (answer.kind === "check") return { allowed: answer.allowed };
  const { complete, next } = answer;
  const names =
    answer.kind === "list_objects" ? { objects: answer.objects } : { users: answer.users };
  return { ...names, complete, next: next && toBase64(next) };
}

function readQuestion(fields: Fields): DecisionQuestion {
  const shared = readShared(fields);
  const kind = fields.get("kind");
  switch (kind) {
    case "check": {
      const checks = fields.list("checks").map((item) => readCheck(new Fields(item, "checks")));
      return { kind, checks, ...shared };
    }
    case "list_objects":
      return {
        kind,
        type: fields.text("type"),
        relation: fields.text("relation"),
        subject: fields.text("subject"),
        ...readPage(fields),
        ...shared,
      };
    case "list_users":
      return {
        kind,
        object: fields.text("object"),
        relation: fields.text("relation"),
        filters: fields.texts("filters"),
        ...readPage(fields),
        ...shared,
      };
    default:
      throw malformed("question", "is of no known kind");
  }
}

function readPage(fields: Fields): { readonly limit: number; readonly cursor?: Uint8Array } {
  const cursor = fields.has("cursor") ? { cursor: fields.bytes("cursor") } : {};
  return { limit: fields.whole("limit"), ...cursor };
}

function readShared(fields: Fields): Pick<DecisionQuestion, "context" | "contextualTuples"> {
  const given = fields.has("contextual_tuples") ? fields.list("contextual_tuples") : undefined;
  const tuples = given?.map((item) => readTuple(new Fields(item, "contextual_tuples")));
  const context = fields.has("context") ? fields.context("context") : undefined;
  return { ...(context && { context }), ...(tuples && { contextualTuples: tuples }) };
}

function readCheck(fields: Fields): RelationTuple {
  const [object, relation, subject] = ["object", "relation", "subject"].map((name) =>
    fields.text(name),
  );
  return { object: object!, relation: relation!, subject: subject! };
}

function readTuple(fields: Fields): RelationTuple {
  const tuple = readCheck(fields);
  if (!fields.has("condition")) return tuple;
  const condition = fields.object("condition");
  const context = condition.has("context") ? condition.context("context") : {};
  return { ...tuple, condition: { name: condition.text("name"), context } };
}

function readAnswer(kind: DecisionAnswer["kind"], fields: Fields): DecisionAnswer {
  if (kind === "check") {
    const allowed = fields.list("allowed").map((item) => {
      if (typeof item !== "boolean") throw malformed("allowed", "holds what is not true or false");
      return item;
    });
    return { kind, allowed };
  }
  const complete = fields.get("complete");
  if (typeof complete !== "boolean") throw malformed("complete", "is not true or false");
  const page = { complete, ...(fields.has("next") && { next: fields.bytes("next") }) };
  return kind === "list_objects"
    ? { kind, objects: fields.texts("objects"), ...page }
    : { kind, users: fields.texts("users"), ...page };
}

/** An object that nobody has checked, and where it was found. */
class Fields {
  readonly #values: Readonly<Record<string, unknown>>;
  readonly #where: string;

  constructor(value: unknown, where: string) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw malformed(where, "is not an object");
    }
    this.#values = value as Record<string, unknown>;
    this.#where = where;
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  get(name: string): unknown {
    return Object.hasOwn(this.#values, name) ? this.#values[name] : undefined;
  }

  object(name: string): Fields {
    return new Fields(this.get(name), this.#path(name));
  }

  context(name: string): ConditionContext {
    this.object(name);
    return this.get(name) as ConditionContext;
  }

  list(name: string): readonly unknown[] {
    const value = this.get(name);
    if (!Array.isArray(value)) throw malformed(this.#path(name), "is not a list");
    return value;
  }

  text(name: string): string {
    return textOf(this.get(name), this.#path(name));
  }

  texts(name: string): string[] {
    return this.list(name).map((item) => textOf(item, this.#path(name)));
  }

  bytes(name: string): Uint8Array {
    return bytesOf(this.get(name), this.#path(name));
  }

  whole(name: string): number {
    const value = this.get(name);
    if (Number.isSafeInteger(value) && Number(value) > 0) return Number(value);
    throw malformed(this.#path(name), "is not a whole number from 1");
  }

  #path(name: string): string {
    return this.#where === "file" ? name : `${this.#where}.${name}`;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw malformed("file", "is not JSON");
  }
}

function textOf(value: unknown, field: string): string {
  if (typeof value === "string") return value;
  throw malformed(field, "is missing or not text");
}

function bytesOf(value: unknown, field: string): Uint8Array {
  const bytes = fromBase64(textOf(value, field));
  if (bytes === undefined) throw malformed(field, "is not base64");
  return bytes;
}

function malformed(field: string, why: string): Error {
  return refuse("file", `${field} of the decision ${why}`);
}
