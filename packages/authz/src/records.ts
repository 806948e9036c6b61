/**
 * Models as records of the ledger (docs/format/model.md): the texts of the records of kind 0x04 that say which models a
 * vault has and which one is active.
 *
 *   INV-ACTIVE-1  Equal bodies, and equal records of the active model, are equal bytes: there is one text of each, and no
 *                 other is read.
 */
import { decodeUtf8, LedgerError, utf8 } from "@authledger/types";
import { canonicalJson } from "./canonical-json.js";
import type { ConditionContext, JsonValue } from "./condition/context.js";
import type { RelationTuple } from "./evaluate/tuple-reader.js";
import { REWRITE_DEPTH_MAX } from "./model/limits.js";
import type { AuthorizationModel } from "./model/model.js";

/** Names a record of kind 0x04. */
export interface ModelRecordName {
  readonly partition: "ledger" | "model";
  readonly group: string;
  readonly item: string;
}

/** Which model is active. One of the configuration's records, so that every header's config_hash covers it. */
export const ACTIVE_MODEL_KEY: ModelRecordName = { partition: "ledger", group: "model", item: "" };

/** What a version is: its source and its model. */
export function modelBodyKey(version: number): ModelRecordName {
  return { partition: "model", group: `v${version}`, item: "body" };
}

/** What is known of a version without its body. */
export function modelAboutKey(version: number): ModelRecordName {
  return { partition: "model", group: `v${version}`, item: "about" };
}

/** What must hold under a version. */
export function modelAssertionsKey(version: number): ModelRecordName {
  return { partition: "model", group: `v${version}`, item: "assertions" };
}

/** Bytes of a body, and of a version's assertions. */
export const MODEL_BODY_BYTES_MAX: number = 256 * 1024;
/** Versions of one vault: who deploys hourly gets by for a year, and all of them are looked through in some 30 ms. */
export const MODEL_VERSIONS_MAX: number = 10_000;
/** Versions that rollbacks go back through, one after the other. */
export const ROLLBACKS_MAX: number = 16;

/** Two levels for each node of a rewrite, and some around them. */
const RECORD_DEPTH_MAX = 2 * REWRITE_DEPTH_MAX + 16;

export type ModelLanguage = "openfga" | "openfga-json" | "spicedb";

/** A file of a model; the name may be empty where there is only one. */
export interface ModelFile {
  readonly name: string;
  readonly text: string;
}

export interface ModelBody {
  readonly language: ModelLanguage;
  /** As people wrote it: one file, or an fga.mod and its modules. */
  readonly files: readonly ModelFile[];
  readonly model: AuthorizationModel;
}

export interface ActiveModel {
  /** 0 = there is none any more. */
  readonly version: number;
  /** SHA-256 of the body, 64 lower-case hex digits; empty with version 0. */
  readonly hash: string;
  readonly activatedAtMs: number;
  /** Versions that were active before, the last one first, for rollbacks. */
  readonly before: readonly number[];
}

export interface ModelAbout {
  /** SHA-256 of the body, 64 lower-case hex digits. */
  readonly hash: string;
  readonly language: ModelLanguage;
  readonly schema: string;
  readonly types: number;
  readonly relations: number;
  readonly conditions: number;
  readonly deployedAtMs: number;
  readonly deployedBy: string;
}

/** A check with the answer that it must have. */
export interface ModelAssertion {
  readonly object: string;
  readonly relation: string;
  readonly subject: string;
  readonly expected: boolean;
  readonly context: ConditionContext;
  readonly contextualTuples: readonly RelationTuple[];
}

/** @throws LedgerError LIMIT_EXCEEDED */
export function encodeModelBody({ language, files, model }: ModelBody): Uint8Array {
  return encode({ format: 1, language, files, model }, "model");
}

/** @throws LedgerError CODEC_DECODE for bytes that are not exactly those of a body */
export function decodeModelBody(bytes: Uint8Array): ModelBody {
  const { language, files, model } = decode<ModelBody>(bytes, "model body", (body) =>
    encodeModelBody(body),
  );
  return { language, files, model };
}

/** @throws LedgerError LIMIT_EXCEEDED */
export function encodeActiveModel(active: ActiveModel): Uint8Array {
  const { version, hash, activatedAtMs, before } = active;
  return encode({ version, hash, activatedAtMs, before }, "active model");
}

/** @throws LedgerError CODEC_DECODE for bytes that are not exactly those of such a record */
export function decodeActiveModel(bytes: Uint8Array): ActiveModel {
  const active = decode<ActiveModel>(bytes, "active model", encodeActiveModel);
  const isNone = active.version === 0;
  const isSound = Number.isSafeInteger(active.version) && active.version >= 0;
  if (!isSound || !(isNone ? /^$/ : /^[0-9a-f]{64}$/).test(active.hash)) {
    throw malformed("active model");
  }
  return active;
}

/** @throws LedgerError LIMIT_EXCEEDED */
export function encodeModelAbout(about: ModelAbout): Uint8Array {
  const { hash, language, schema, types, relations, conditions, deployedAtMs, deployedBy } = about;
  const counts = { types, relations, conditions };
  return encode({ hash, language, schema, ...counts, deployedAtMs, deployedBy }, "about a model");
}

/** @throws LedgerError CODEC_DECODE for bytes that are not exactly those of such a record */
export function decodeModelAbout(bytes: Uint8Array): ModelAbout {
  return decode<ModelAbout>(bytes, "about a model", encodeModelAbout);
}

/** @throws LedgerError LIMIT_EXCEEDED */
export function encodeAssertions(assertions: readonly ModelAssertion[]): Uint8Array {
  return encode({ format: 1, assertions: assertions.map(assertionFields) }, "assertions");
}

/** @throws LedgerError CODEC_DECODE for bytes that are not exactly those of such a record */
export function decodeAssertions(bytes: Uint8Array): readonly ModelAssertion[] {
  interface Stored {
    readonly assertions: readonly ModelAssertion[];
  }
  const again = ({ assertions }: Stored): Uint8Array => encodeAssertions(assertions);
  return decode<Stored>(bytes, "assertions", again).assertions;
}

function assertionFields(assertion: ModelAssertion): Record<string, unknown> {
  const { object, relation, subject, expected, context, contextualTuples } = assertion;
  const tuples = contextualTuples.map(({ object, relation, subject, condition }) => ({
    ...{ object, relation, subject },
    ...(condition && { condition: { name: condition.name, context: condition.context } }),
  }));
  return { object, relation, subject, expected, context, contextualTuples: tuples };
}

function encode(value: unknown, what: string): Uint8Array {
  const bytes = utf8(canonicalJson(value as JsonValue, RECORD_DEPTH_MAX));
  if (bytes.length <= MODEL_BODY_BYTES_MAX) return bytes;
  const limit = MODEL_BODY_BYTES_MAX;
  const message = `${what} takes ${bytes.length} bytes; the limit is ${limit}`;
  throw new LedgerError("LIMIT_EXCEEDED", message, {
    details: { field: what, limit, actual: bytes.length },
  });
}

/** Fields that are missing, of another kind or too many make other bytes when they are written again. */
function decode<T>(bytes: Uint8Array, what: string, again: (value: T) => Uint8Array): T {
  let value: T;
  let text: string | undefined;
  let written: string | undefined;
  try {
    text = decodeUtf8(bytes);
    value = JSON.parse(text ?? "") as T;
    written = decodeUtf8(again(value));
  } catch (error) {
    throw malformed(what, error);
  }
  if (text !== written) throw malformed(what);
  return value;
}

function malformed(what: string, cause?: unknown): LedgerError {
  const message = `the record (${what}) is not in its canonical form`;
  return new LedgerError("CODEC_DECODE", message, { details: { field: what }, cause });
}
