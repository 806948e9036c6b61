/**
 * SpiceDB's validation files: `schema` or `schemaFile`, `relationships` one to a line, `assertions` that are true, false or
 * caveated, and `validation`, the subjects that an object's relation has.
 */
import { dirname, join } from "node:path";
import type { ConditionContext, JsonValue, ModelFile, RelationTuple } from "@authledger/authz";
import { parseSpiceDb } from "@authledger/authz/language";
import type { LedgerError } from "@authledger/types";
import { readText } from "../run/read-text.js";
import type { Expectation, Store } from "./store.js";
import { YamlValue } from "./yaml-fields.js";

/** `document:1#viewer@group:eng#member[caveat:{"a":1}][expiration:...]`, the caveat and what follows being optional. */
const RELATIONSHIP =
  /^(?<object>[^#\s]+)#(?<relation>\w+)@(?<subject>[^[\s]+?)(?:\[(?<caveat>[\w/]+)(?::(?<context>\{.*\}))?\])?$/;
/** `document:1#viewer@user:anne with {"a":1}`. */
const ASSERTION = /^(?<tuple>\S+)(?:\s+with\s+(?<context>\{.*\}))?$/;
/** `[user:anne] is <document:1#viewer>`, or with a caveat: `[user:anne[...]] is ...`. */
const EXPECTED_SUBJECT = /^\[(?<subject>[^\]]*(?:\[\.\.\.\])?)\]/;
/** A relation of the subject itself, in SpiceDB's notation. */
const ELLIPSIS = "#...";

/** @throws LedgerError INVALID_ARGUMENT naming file, line and column; MODEL_INVALID for a schema that cannot be read */
export async function readSpiceDbStore(path: string, text: string): Promise<Store> {
  const fields = YamlValue.parse(path, text).fields([
    ...(["schema", "schemaFile", "relationships", "assertions", "validation"] as const),
  ]);
  const files = [await schemaOf(path, fields.schema, fields.schemaFile)];
  const { assertTrue, assertFalse, assertCaveated } = fields.assertions.fields([
    ...(["assertTrue", "assertFalse", "assertCaveated"] as const),
  ]);
  const expectations = [
    ...assertTrue.items().map((one) => readAssertion(one, true)),
    ...assertFalse.items().map((one) => readAssertion(one, false)),
    ...assertCaveated.items().map((one) => readAssertion(one, "conditional")),
  ];
  const lists = readValidation(fields.validation, files[0]!);
  return {
    name: path,
    language: "spicedb",
    files,
    tuples: readRelationships(fields.relationships),
    tests: [
      { name: "assertions", tuples: [], expectations },
      { name: "validation", tuples: [], expectations: lists },
    ].filter((test) => test.expectations.length > 0),
  };
}

async function schemaOf(path: string, schema: YamlValue, file: YamlValue): Promise<ModelFile> {
  if (!schema.isMissing) return { name: "", text: schema.text() };
  if (file.isMissing) throw schema.refuse("is missing; give schema or schemaFile");
  return { name: "", text: await readText(join(dirname(path), file.text())) };
}

function readRelationships(value: YamlValue): RelationTuple[] {
  if (value.isMissing) return [];
  const lines = value.text().split("\n");
  return lines
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("//"))
    .map((line) => readRelationship(line, (why) => value.refuse(why)));
}

function readRelationship(line: string, refuse: (why: string) => LedgerError): RelationTuple {
  const parts = RELATIONSHIP.exec(line)?.groups;
  if (parts === undefined) {
    throw refuse(`has "${line}", which is not object#relation@subject with a caveat at most`);
  }
  const { object = "", relation = "", subject = "", caveat, context } = parts;
  const tuple = { object, relation, subject: plain(subject) };
  if (caveat === undefined) return tuple;
  return { ...tuple, condition: { name: caveat, context: readContext(context, refuse) } };
}

function plain(subject: string): string {
  return subject.endsWith(ELLIPSIS) ? subject.slice(0, -ELLIPSIS.length) : subject;
}

function readContext(
  text: string | undefined,
  refuse: (why: string) => LedgerError,
): ConditionContext {
  if (text === undefined) return {};
  try {
    return JSON.parse(text) as Record<string, JsonValue>;
  } catch {
    throw refuse(`has a context that is no JSON: ${text}`);
  }
}

function readAssertion(value: YamlValue, expected: boolean | "conditional"): Expectation {
  const refuse = (why: string): LedgerError => value.refuse(why);
  const parts = ASSERTION.exec(value.text().trim())?.groups;
  if (parts === undefined) throw refuse("is not object#relation@subject [with {...}]");
  const { object, relation, subject } = readRelationship(parts["tuple"] ?? "", refuse);
  const context = readContext(parts["context"], refuse);
  return { kind: "check", object, relation, subject, context, expected };
}

/** `document:1#view: ["[user:anne] is <document:1#viewer>"]`: of each type the subjects that are named, and no others. */
function readValidation(value: YamlValue, schema: ModelFile): Expectation[] {
  if (value.isMissing) return [];
  const types = Object.keys(parseSpiceDb(schema.text).types);
  return value.entries().map(([asked, subjects]) => {
    const [object = "", relation = ""] = asked.split("#");
    const expected = subjects.items().map((one) => {
      const found = EXPECTED_SUBJECT.exec(one.text())?.groups?.["subject"];
      if (found === undefined) throw one.refuse("does not begin with [subject]");
      if (found.endsWith("[...]"))
        throw one.refuse("expects a caveated subject; assert it with assertCaveated");
      return plain(found);
    });
    const usersets = expected.filter((subject) => subject.includes("#"));
    const filters = new Set([...types, ...usersets.map(filterOf)]);
    return { kind: "list_users", object, relation, filters: [...filters], context: {}, expected };
  });
}

/** `group#member` of `group:eng#member`. */
function filterOf(userset: string): string {
  const [object = "", relation = ""] = userset.split("#");
  return `${object.split(":")[0]}#${relation}`;
}
