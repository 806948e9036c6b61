/**
 * An authorization model: which types there are, which relations their objects have, and how a relation follows from
 * tuples and from other relations. The form to which every language is brought (OpenFGA's, SpiceDB's), plain data that
 * is the same in JSON.
 *
 * Terms are those of Zanzibar (USENIX ATC 2019, section 2.3) and of OpenFGA's configuration language.
 */

/** What may stand as the subject of a stored tuple of a relation: `user`, `user:*` or `group#member`. */
export interface TypeRestriction {
  readonly type: string;
  /** Present: usersets of this relation, not plain objects. Never together with `wildcard`. */
  readonly relation?: string;
  readonly wildcard?: true;
  /** The tuple must carry this condition; absent: it must carry none. */
  readonly condition?: string;
}

/** How a relation is computed for an object. */
export type Rewrite =
  /** From stored tuples, those that the relation's `directTypes` allow. */
  | { readonly kind: "direct" }
  /** From another relation of the same object. */
  | { readonly kind: "computed"; readonly relation: string }
  /** From `relation` of each object that a stored tuple of `tupleset` names: "viewer from parent". */
  | { readonly kind: "tuple_to_userset"; readonly tupleset: string; readonly relation: string }
  | { readonly kind: "union"; readonly children: readonly Rewrite[] }
  | { readonly kind: "intersection"; readonly children: readonly Rewrite[] }
  | { readonly kind: "exclusion"; readonly base: Rewrite; readonly subtract: Rewrite };

export interface RelationDefinition {
  readonly rewrite: Rewrite;
  /** Of the `direct` parts of the rewrite; empty where it has none. */
  readonly directTypes: readonly TypeRestriction[];
  /** Module that defines it, where that is not the module of its type. */
  readonly module?: string;
}

export interface TypeDefinition {
  readonly relations: Readonly<Record<string, RelationDefinition>>;
  readonly module?: string;
}

/** Type of a condition's parameter, as in OpenFGA: `string`, `int`, `list<string>`, `map<any>`, ... */
export type ParameterType =
  | "any"
  | "bool"
  | "string"
  | "int"
  | "uint"
  | "double"
  | "duration"
  | "timestamp"
  | "ipaddress"
  | { readonly list: ParameterType }
  | { readonly map: ParameterType };

export interface ConditionDefinition {
  readonly parameters: Readonly<Record<string, ParameterType>>;
  /** CEL. */
  readonly expression: string;
  readonly module?: string;
}

export interface AuthorizationModel {
  readonly schema: "1.1" | "1.2";
  readonly types: Readonly<Record<string, TypeDefinition>>;
  readonly conditions: Readonly<Record<string, ConditionDefinition>>;
}
