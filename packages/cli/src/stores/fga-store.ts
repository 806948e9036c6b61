/** OpenFGA's `store.fga.yaml`: model, tuples and tests, some of them in files beside it. */
import { dirname, join } from "node:path";
import type { ConditionContext, ModelFile, RelationTuple } from "@authledger/authz";
import { parseModFile } from "@authledger/authz/language";
import { readText } from "../run/read-text.js";
import type { Expectation, Store, StoreTest } from "./store.js";
import { YamlValue } from "./yaml-fields.js";

/** @throws LedgerError INVALID_ARGUMENT naming file, line and column; MODEL_INVALID for an `fga.mod` that cannot be read */
export async function readFgaStore(path: string, text: string): Promise<Store> {
  const fields = YamlValue.parse(path, text).fields([
    ...["name", "model", "model_file", "tuples", "tuple_file", "tuple_files", "tests"],
  ]);
  const files = await modelFiles(path, fields["model"]!, fields["model_file"]!);
  const tests: StoreTest[] = [];
  for (const test of fields["tests"]!.items()) {
    tests.push(await readTest(path, test, `test ${tests.length + 1}`));
  }
  return {
    name: fields["name"]!.isMissing ? path : fields["name"]!.text(),
    language: "openfga",
    files,
    tuples: await allTuples(path, fields as TupleFields),
    tests,
  };
}

async function modelFiles(path: string, model: YamlValue, file: YamlValue): Promise<ModelFile[]> {
  if (!model.isMissing) return [{ name: "", text: model.text() }];
  if (file.isMissing) throw model.refuse("is missing; give model or model_file");
  const at = join(dirname(path), file.text());
  const text = await readText(at);
  if (!at.endsWith("fga.mod")) return [{ name: "", text }];
  const modules: ModelFile[] = [{ name: "fga.mod", text }];
  for (const name of parseModFile(text)) {
    modules.push({ name, text: await readText(join(dirname(at), name)) });
  }
  return modules;
}

type TupleFields = Record<"tuples" | "tuple_file" | "tuple_files", YamlValue>;

async function allTuples(path: string, fields: TupleFields): Promise<RelationTuple[]> {
  const { tuples, tuple_file: file, tuple_files: more } = fields;
  const found = tuples.items().map(readTuple);
  for (const named of [...(file.isMissing ? [] : [file]), ...more.items()]) {
    const at = join(dirname(path), named.text());
    found.push(
      ...YamlValue.parse(at, await readText(at))
        .items()
        .map(readTuple),
    );
  }
  return found;
}

function readTuple(value: YamlValue): RelationTuple {
  const { user, relation, object, condition } = value.fields([
    ...(["user", "relation", "object", "condition"] as const),
  ]);
  const tuple = { object: object.text(), relation: relation.text(), subject: user.text() };
  if (condition.isMissing) return tuple;
  const { name, context } = condition.fields(["name", "context"]);
  return { ...tuple, condition: { name: name.text(), context: readContext(context) } };
}

function readContext(value: YamlValue): ConditionContext {
  if (value.isMissing) return {};
  value.entries();
  return value.json() as ConditionContext;
}

async function readTest(path: string, test: YamlValue, unnamed: string): Promise<StoreTest> {
  const fields = test.fields([
    ...(["name", "description", "tuples", "tuple_file", "tuple_files"] as const),
    ...(["check", "list_objects", "list_users"] as const),
  ]);
  return {
    name: fields.name.isMissing ? unnamed : fields.name.text(),
    tuples: await allTuples(path, fields),
    expectations: [
      ...fields.check.items().flatMap(readChecks),
      ...fields.list_objects.items().flatMap(readObjectLists),
      ...fields.list_users.items().flatMap(readUserLists),
    ],
  };
}

function readChecks(value: YamlValue): Expectation[] {
  const { user, users, object, objects, context, assertions } = value.fields([
    ...(["user", "users", "object", "objects", "context", "assertions"] as const),
  ]);
  const subjects = oneOrMany(value, user, users, "user");
  const resources = oneOrMany(value, object, objects, "object");
  const given = readContext(context);
  return assertions.entries().flatMap(([relation, expected]) =>
    subjects.flatMap((subject) =>
      resources.map((resource) => ({
        ...{ kind: "check" as const, object: resource, relation, subject, context: given },
        expected: expected.bool(),
      })),
    ),
  );
}

function oneOrMany(at: YamlValue, one: YamlValue, many: YamlValue, name: string): string[] {
  const found = [...(one.isMissing ? [] : [one]), ...many.items()].map((value) => value.text());
  if (found.length === 0) throw at.refuse(`has no "${name}" and no "${name}s"`);
  return found;
}

function readObjectLists(value: YamlValue): Expectation[] {
  const { user, type, context, assertions } = value.fields([
    ...(["user", "type", "context", "assertions"] as const),
  ]);
  const given = readContext(context);
  return assertions.entries().map(([relation, objects]) => ({
    ...{ kind: "list_objects" as const, type: type.text(), relation, subject: user.text() },
    ...{ context: given, expected: objects.items().map((one) => one.text()) },
  }));
}

function readUserLists(value: YamlValue): Expectation[] {
  const fields = value.fields(["object", "user_filter", "context", "assertions"] as const);
  const filters = fields.user_filter.items().map((filter) => {
    const { type, relation } = filter.fields(["type", "relation"] as const);
    return relation.isMissing ? type.text() : `${type.text()}#${relation.text()}`;
  });
  const context = readContext(fields.context);
  return fields.assertions.entries().map(([relation, answer]) => ({
    ...{ kind: "list_users" as const, object: fields.object.text(), relation, filters, context },
    expected: answer
      .fields(["users"] as const)
      .users.items()
      .map((one) => one.text()),
  }));
}
