/**
 * Relationship tuples and their grammar (architecture.md, "Grammar").
 *
 *     tuple    = resource "#" relation "@" subject          as people write it
 *     resource = type ":" id
 *     subject  = type ":" id [ "#" relation ] | type ":" "*"
 *     type     = letter *62( letter | digit | "_" | "-" )
 *     relation = letter *62( letter | digit | "_" )
 *     id       = printable UTF-8 without "#", ":" and white space, not starting with "*"
 *
 * Upper case is accepted in types and relations because the authorization languages have it. Nothing is
 * normalized: two spellings are two keys.
 */
import { utf8Length } from "./bytes.js";
import { LedgerError } from "./ledger-error.js";
import { RELATION_BYTES_MAX, RESOURCE_BYTES_MAX, SUBJECT_BYTES_MAX } from "./limits.js";
import { codePointName, isSpaceOrControl } from "./text.js";

/** Who (subject) has which relation to what (resource). */
export interface Tuple {
  readonly resource: string;
  readonly relation: string;
  readonly subject: string;
}

const TYPE_CHARACTERS_MAX = 63;

/**
 * Checks the three parts against grammar and limits.
 * @throws LedgerError INVALID_TUPLE or LIMIT_EXCEEDED, naming the part (`details.field`).
 */
export function validateTuple(tuple: Tuple): void {
  validateResource(tuple.resource);
  validateRelation(tuple.relation);
  validateSubject(tuple.subject);
}

export function validateResource(resource: string): void {
  const idStart = afterType(resource, "resource");
  const end = scanId(resource, idStart, "resource");
  if (end !== resource.length)
    throw refuse("resource", resource, `holds "#", which only a subject may`);
  checkLength(resource, RESOURCE_BYTES_MAX, "resource");
}

/** Checks a type by itself, such as `document`. @throws LedgerError INVALID_TUPLE naming the field */
export function validateType(type: string, field = "type"): void {
  if (type.includes(":")) throw refuse(field, type, `holds ":", which ends a type`);
  afterType(`${type}:id`, field);
}

export function validateRelation(relation: string, field = "relation"): void {
  if (relation.length === 0) throw refuse(field, relation, "is empty");
  if (!isLetter(relation.charCodeAt(0)))
    throw refuse(field, relation, "does not start with a letter");
  for (let i = 1; i < relation.length; i++) {
    const c = relation.charCodeAt(i);
    if (!isLetter(c) && !isDigit(c) && c !== 0x5f) {
      throw refuse(
        field,
        relation,
        `holds ${codePointName(c)}; letters, digits and "_" are allowed`,
      );
    }
  }
  checkLength(relation, RELATION_BYTES_MAX, field);
}

export function validateSubject(subject: string): void {
  const idStart = afterType(subject, "subject");
  if (subject.charCodeAt(idStart) === 0x2a) {
    if (subject.length !== idStart + 1) {
      throw refuse("subject", subject, `has an id that starts with "*"; a wildcard is type:*`);
    }
  } else {
    const end = scanId(subject, idStart, "subject");
    if (end !== subject.length) validateRelation(subject.slice(end + 1), "subject relation");
  }
  checkLength(subject, SUBJECT_BYTES_MAX, "subject");
}

/**
 * Reads a tuple as people write it.
 * @example parseTuple("document:budget#viewer@user:alice").subject // "user:alice"
 * @throws LedgerError INVALID_TUPLE, LIMIT_EXCEEDED
 */
export function parseTuple(text: string): Tuple {
  const hash = text.indexOf("#");
  const at = text.indexOf("@", hash);
  if (hash < 0 || at < 0) {
    throw refuse("tuple", text, `is not of the form resource#relation@subject`);
  }
  const tuple = {
    resource: text.slice(0, hash),
    relation: text.slice(hash + 1, at),
    subject: text.slice(at + 1),
  };
  validateTuple(tuple);
  return tuple;
}

/** Writes a tuple as `resource#relation@subject`. */
export function formatTuple(tuple: Tuple): string {
  return `${tuple.resource}#${tuple.relation}@${tuple.subject}`;
}

/** Position after `type:`; refuses a missing or malformed type and an empty id. */
function afterType(text: string, field: string): number {
  const colon = text.indexOf(":");
  if (colon < 0) throw refuse(field, text, `has no ":" between type and id`);
  if (colon === 0) throw refuse(field, text, "has an empty type");
  if (colon > TYPE_CHARACTERS_MAX) {
    throw refuse(field, text, `has a type longer than ${TYPE_CHARACTERS_MAX} characters`);
  }
  if (!isLetter(text.charCodeAt(0))) {
    throw refuse(field, text, "has a type that does not start with a letter");
  }
  for (let i = 1; i < colon; i++) {
    const c = text.charCodeAt(i);
    if (!isLetter(c) && !isDigit(c) && c !== 0x5f && c !== 0x2d) {
      throw refuse(field, text, `has ${codePointName(c)} in its type`);
    }
  }
  if (colon + 1 === text.length) throw refuse(field, text, "has an empty id");
  return colon + 1;
}

/** Checks an id from `start` on; returns where it ends: at "#" or at the end of the text. */
function scanId(text: string, start: number, field: string): number {
  if (text.charCodeAt(start) === 0x2a) throw refuse(field, text, `has an id that starts with "*"`);
  for (let i = start; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c > 0x3a && c < 0x7f) continue; // most of ASCII, none of it special here
    if (c === 0x23) {
      if (i === start) throw refuse(field, text, "has an empty id");
      return i;
    }
    if (c === 0x3a) throw refuse(field, text, `has ":" in its id; percent-encode it`);
    if (isSpaceOrControl(c)) throw refuse(field, text, `holds ${codePointName(c)} at ${i}`);
    if (c >= 0xd800 && c <= 0xdfff) i = scanSurrogatePair(text, i, field);
  }
  return text.length;
}

/** Position of the low half; refuses a lone surrogate. */
function scanSurrogatePair(text: string, i: number, field: string): number {
  const low = text.charCodeAt(i + 1);
  if (text.charCodeAt(i) <= 0xdbff && low >= 0xdc00 && low <= 0xdfff) return i + 1;
  throw refuse(field, text, `is not valid UTF-8: a lone surrogate at ${i}`);
}

function checkLength(text: string, limit: number, field: string): void {
  if (text.length * 3 <= limit) return;
  const bytes = utf8Length(text);
  if (bytes <= limit) return;
  throw new LedgerError("LIMIT_EXCEEDED", `${field} is ${bytes} bytes; the limit is ${limit}`, {
    details: { field, limit, actual: bytes },
  });
}

function isLetter(c: number): boolean {
  return (c >= 0x61 && c <= 0x7a) || (c >= 0x41 && c <= 0x5a);
}

function isDigit(c: number): boolean {
  return c >= 0x30 && c <= 0x39;
}

function refuse(field: string, text: string, why: string): LedgerError {
  const shown = text.length > 80 ? `${text.slice(0, 80)}...` : text;
  return new LedgerError("INVALID_TUPLE", `${field} "${shown}" ${why}`, { details: { field } });
}
