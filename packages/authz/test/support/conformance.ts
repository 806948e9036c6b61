/**
 * The public suites as plain cases: OpenFGA's consolidated tests and the sample stores (/shared/data/README.md describes both
 * forms). Found through CONFORMANCE_DATA; where it is unset there are no cases, and who asks says so.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { LedgerError } from "@authledger/types";
import { transformer } from "@openfga/syntax-transformer";
import { parse } from "yaml";
import {
  type CompiledModel,
  type ConditionContext,
  compileModel,
  type RelationTuple,
} from "../../src/index.js";
import { fromOpenFgaJson, parseOpenFga } from "../../src/language/index.js";

export type ConformanceQuestion =
  | {
      readonly kind: "check";
      readonly object: string;
      readonly relation: string;
      readonly subject: string;
    }
  | {
      readonly kind: "list_objects";
      readonly type: string;
      readonly relation: string;
      readonly subject: string;
    }
  | {
      readonly kind: "list_users";
      readonly object: string;
      readonly relation: string;
      readonly filters: readonly string[];
    };

export interface ConformanceCase {
  /** Suite, test, stage and number of the assertion. */
  readonly title: string;
  readonly model: CompiledModel;
  readonly stored: readonly RelationTuple[];
  readonly contextualTuples: readonly RelationTuple[];
  readonly context: ConditionContext;
  readonly question: ConformanceQuestion;
  /** Lists are sorted. */
  readonly expected: boolean | readonly string[] | { readonly errorCode: number };
}

const DATA = process.env["CONFORMANCE_DATA"];
const CONSOLIDATED = DATA && join(DATA, "openfga/consolidated_1_1_tests.yaml");
const SAMPLE_STORES = DATA && join(DATA, "sample-stores/stores");

/** All assertions of the public suites. */
export function* conformanceCases(): Iterable<ConformanceCase> {
  if (CONSOLIDATED === undefined || SAMPLE_STORES === undefined) {
    process.stderr.write("CONFORMANCE_DATA is not set: the public suites are skipped\n");
    return;
  }
  yield* consolidatedCases(CONSOLIDATED);
  for (const path of storeFiles(SAMPLE_STORES)) yield* storeCases(path, SAMPLE_STORES);
}

/** The code that OpenFGA's suites expect for an error of ours. */
export function suiteCode(error: LedgerError, question: ConformanceQuestion): number {
  if (error.code === "EVALUATION_TOO_COMPLEX") return 2002;
  const { field } = error.details;
  if (field === "contextual_tuples") return 2027;
  // Checks have one code for whatever is wrong with the question; lists have it for the subject.
  if (question.kind === "check" || field === "subject") return 2000;
  if (error.code === "TYPE_NOT_FOUND") return 2021;
  if (error.code === "RELATION_NOT_FOUND") return 2022;
  if (error.code === "CONDITION_FAILED" || error.code === "INVALID_TUPLE") return 2000;
  throw error;
}

interface SuiteTuple {
  readonly object: string;
  readonly relation: string;
  readonly user: string;
  readonly condition?: { readonly name: string; readonly context?: ConditionContext };
}

interface SuiteAssertion {
  readonly tuple?: SuiteTuple;
  readonly request?: {
    readonly user: string;
    readonly type: string;
    readonly filters: readonly string[];
    readonly object: string;
    readonly relation: string;
  };
  readonly contextualTuples?: readonly SuiteTuple[];
  readonly context?: ConditionContext;
  readonly expectation?: boolean | readonly string[] | null;
  readonly errorCode?: number;
}

interface SuiteStage {
  readonly model: string;
  readonly tuples?: readonly SuiteTuple[];
  readonly checkAssertions?: readonly SuiteAssertion[];
  readonly listObjectsAssertions?: readonly SuiteAssertion[];
  readonly listUsersAssertions?: readonly SuiteAssertion[];
}

function* consolidatedCases(path: string): Iterable<ConformanceCase> {
  const suite = readYaml<{ tests: { name: string; stages: SuiteStage[] }[] }>(path);
  for (const { name, stages } of suite.tests) {
    const stored: RelationTuple[] = [];
    for (const [i, stage] of stages.entries()) {
      stored.push(...(stage.tuples ?? []).map(tupleOf));
      const about = { model: compileModel(parseOpenFga(stage.model)), stored: [...stored] };
      const assertions = [
        ...(stage.checkAssertions ?? []),
        ...(stage.listObjectsAssertions ?? []),
        ...(stage.listUsersAssertions ?? []),
      ];
      for (const [n, assertion] of assertions.entries()) {
        const question = questionOf(assertion);
        yield {
          ...about,
          title: `consolidated: ${name}, stage ${i + 1}, assertion ${n + 1}: ${textOf(question)}`,
          contextualTuples: (assertion.contextualTuples ?? []).map(tupleOf),
          context: assertion.context ?? {},
          question,
          expected: expectedOf(assertion),
        };
      }
    }
  }
}

function questionOf({ tuple, request }: SuiteAssertion): ConformanceQuestion {
  if (tuple !== undefined) {
    const { object, relation, user: subject } = tuple;
    return { kind: "check", object, relation, subject };
  }
  if (request === undefined) throw new Error("an assertion without a question");
  const { object, relation, type, user: subject, filters } = request;
  if (filters !== undefined) return { kind: "list_users", object, relation, filters };
  return { kind: "list_objects", type, relation, subject };
}

function expectedOf({ expectation, errorCode }: SuiteAssertion): ConformanceCase["expected"] {
  if (errorCode !== undefined) return { errorCode };
  return typeof expectation === "boolean" ? expectation : [...(expectation ?? [])].sort();
}

function textOf(question: ConformanceQuestion): string {
  if (question.kind === "list_users") {
    return `${question.object}#${question.relation}@[${question.filters}]`;
  }
  const object = question.kind === "check" ? question.object : question.type;
  return `${object}#${question.relation}@${question.subject}`;
}

function tupleOf({ object, relation, user, condition }: SuiteTuple): RelationTuple {
  const tuple = { object, relation, subject: user };
  if (condition === undefined) return tuple;
  return { ...tuple, condition: { name: condition.name, context: condition.context ?? {} } };
}

interface Store {
  readonly model?: string;
  readonly model_file?: string;
  readonly tuples?: readonly SuiteTuple[];
  readonly tuple_file?: string;
  readonly tuple_files?: readonly string[];
  readonly tests?: readonly StoreTest[];
}

interface StoreTest {
  readonly name: string;
  readonly tuples?: readonly SuiteTuple[];
  readonly tuple_file?: string;
  readonly check?: readonly {
    readonly user?: string;
    readonly users?: readonly string[];
    readonly object?: string;
    readonly objects?: readonly string[];
    readonly context?: ConditionContext;
    readonly assertions: Readonly<Record<string, boolean>>;
  }[];
  readonly list_objects?: readonly {
    readonly user: string;
    readonly type: string;
    readonly context?: ConditionContext;
    readonly assertions: Readonly<Record<string, readonly string[] | null>>;
  }[];
  readonly list_users?: readonly {
    readonly object: string;
    readonly user_filter: readonly { readonly type: string; readonly relation?: string }[];
    readonly context?: ConditionContext;
    readonly assertions: Readonly<Record<string, { readonly users: readonly string[] | null }>>;
  }[];
}

function storeFiles(root: string): string[] {
  return readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".fga.yaml"))
    .sort()
    .map((path) => join(root, path));
}

function* storeCases(path: string, root: string): Iterable<ConformanceCase> {
  const store = readYaml<Store>(path);
  const model = modelOf(store, path);
  const files = [store.tuple_file ?? [], store.tuple_files ?? []].flat();
  const tuples = [...(store.tuples ?? []), ...files.flatMap((file) => tuplesIn(file, path))];
  const stored = tuples.map(tupleOf);
  for (const test of store.tests ?? []) {
    const own = [
      ...(test.tuples ?? []),
      ...(test.tuple_file === undefined ? [] : tuplesIn(test.tuple_file, path)),
    ];
    for (const { question, context, expected } of assertionsOf(test)) {
      const suite = path.slice(root.length + 1);
      yield {
        title: `${suite}: ${test.name}: ${textOf(question)}`,
        model,
        stored,
        contextualTuples: own.map(tupleOf),
        context: context ?? {},
        question,
        expected,
      };
    }
  }
}

type StoreAssertion = Pick<ConformanceCase, "question" | "expected"> & {
  readonly context: ConditionContext | undefined;
};

function* assertionsOf(test: StoreTest): Iterable<StoreAssertion> {
  for (const { user, users, object, objects, context, assertions } of test.check ?? []) {
    for (const subject of users ?? [user!]) {
      for (const resource of objects ?? [object!]) {
        for (const [relation, expected] of Object.entries(assertions)) {
          const question = { kind: "check", object: resource, relation, subject } as const;
          yield { question, context, expected };
        }
      }
    }
  }
  for (const { user: subject, type, context, assertions } of test.list_objects ?? []) {
    for (const [relation, objects] of Object.entries(assertions)) {
      const question = { kind: "list_objects", type, relation, subject } as const;
      yield { question, context, expected: [...(objects ?? [])].sort() };
    }
  }
  for (const { object, user_filter, context, assertions } of test.list_users ?? []) {
    const filters = user_filter.map(({ type, relation }) =>
      relation === undefined ? type : `${type}#${relation}`,
    );
    for (const [relation, { users }] of Object.entries(assertions)) {
      const question = { kind: "list_users", object, relation, filters } as const;
      yield { question, context, expected: [...(users ?? [])].sort() };
    }
  }
}

function tuplesIn(file: string, beside: string): SuiteTuple[] {
  return readYaml<SuiteTuple[]>(join(dirname(beside), file));
}

function modelOf({ model, model_file: file }: Store, path: string): CompiledModel {
  if (model !== undefined) return compileModel(parseOpenFga(model));
  if (file === undefined) throw new Error(`${path}: no model`);
  const at = join(dirname(path), file);
  if (!at.endsWith("fga.mod")) return compileModel(parseOpenFga(readFileSync(at, "utf8")));
  const { contents, schema } = readYaml<{ contents: string[]; schema: string }>(at);
  const modules = contents.map((name) => ({
    name,
    contents: readFileSync(join(dirname(at), name), "utf8"),
  }));
  return compileModel(fromOpenFgaJson(transformer.transformModuleFilesToModel(modules, schema)));
}

function readYaml<T>(path: string): T {
  if (!existsSync(path)) throw new Error(`${path} is not there`);
  return parse(readFileSync(path, "utf8")) as T;
}
