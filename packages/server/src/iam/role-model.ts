/**
 * The authorization model of the system vault: which role follows from which. It is deployed there like any other model, so a
 * decision about a role is proven like any other decision.
 *
 *   INV-ROLE-2  Roles of a vault follow from those of its organization, and those from the cluster's; never the other way, and
 *               never from one organization to another.
 *
 * That a vault is of its organization and the organization of the cluster is not stored: it follows from the ids, and comes
 * with each question as contextual tuples.
 */
import type { RelationTuple } from "@authledger/authz";
import { readSource } from "../authorization/read-source.js";
import { CLUSTER_OBJECT } from "./role-names.js";

const ROLE_MODEL = `model
  schema 1.1

type principal

type group
  relations
    define member: [principal, group#member]

type cluster
  relations
    define administrator: [principal, group#member]
    define operator: [principal, group#member] or administrator

type organization
  relations
    define cluster: [cluster]
    define administrator: [principal, group#member] or administrator from cluster
    define manager: [principal, group#member] or administrator
    define writer: [principal, group#member] or manager
    define reader: [principal, group#member] or writer

type vault
  relations
    define organization: [organization]
    define administrator: [principal, group#member] or administrator from organization
    define manager: [principal, group#member] or administrator or manager from organization
    define writer: [principal, group#member] or manager or writer from organization
    define reader: [principal, group#member] or writer or reader from organization
`;

/** What is deployed. */
export function roleModelBody(): Uint8Array {
  return readSource({ language: "openfga", files: [{ name: "", text: ROLE_MODEL }] }).body;
}

/** Organization 0 is the cluster; vault 0 the organization itself. @example objectOf(5n, 7n) // "vault:5/7" */
export function objectOf(organization: bigint, vault: bigint): string {
  if (organization === 0n) return CLUSTER_OBJECT;
  return vault === 0n ? `organization:${organization}` : `vault:${organization}/${vault}`;
}

/** To what an object belongs. */
export function structureOf(organization: bigint, vault: bigint): readonly RelationTuple[] {
  if (organization === 0n) return [];
  const own = objectOf(organization, 0n);
  const ofCluster = { object: own, relation: "cluster", subject: CLUSTER_OBJECT };
  if (vault === 0n) return [ofCluster];
  const object = objectOf(organization, vault);
  return [{ object, relation: "organization", subject: own }, ofCluster];
}
