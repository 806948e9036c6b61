/**
 * A store: a model, the tuples it is tried with, and what must follow from them. The form to which OpenFGA's
 * `store.fga.yaml` and SpiceDB's validation files are brought.
 */
import type { ConditionContext, ModelFile, ModelLanguage, RelationTuple } from "@authledger/authz";

export interface Store {
  /** As its author names it, else the name of its file. */
  readonly name: string;
  readonly language: ModelLanguage;
  readonly files: readonly ModelFile[];
  readonly tuples: readonly RelationTuple[];
  readonly tests: readonly StoreTest[];
}

export interface StoreTest {
  readonly name: string;
  /** Count for this test only. */
  readonly tuples: readonly RelationTuple[];
  readonly expectations: readonly Expectation[];
}

interface Asked {
  readonly relation: string;
  readonly context: ConditionContext;
}

/** One question with the answer that it must have. Lists are compared as sets. */
export type Expectation =
  | (Asked & {
      readonly kind: "check";
      readonly object: string;
      readonly subject: string;
      /** `conditional`: parameters of a condition are missing. */
      readonly expected: boolean | "conditional";
    })
  | (Asked & {
      readonly kind: "list_objects";
      readonly type: string;
      readonly subject: string;
      readonly expected: readonly string[];
    })
  | (Asked & {
      readonly kind: "list_users";
      readonly object: string;
      readonly filters: readonly string[];
      readonly expected: readonly string[];
    });

/** `document:1#viewer@user:anne`, `document#viewer@user:anne`, `document:1#viewer@[user]`. */
export function textOf(asked: Expectation): string {
  switch (asked.kind) {
    case "check":
      return `${asked.object}#${asked.relation}@${asked.subject}`;
    case "list_objects":
      return `${asked.type}#${asked.relation}@${asked.subject}`;
    case "list_users":
      return `${asked.object}#${asked.relation}@[${asked.filters.join(", ")}]`;
  }
}
