/**
 * How roles and who holds them are written as tuples of the system vault: `organization:5#writer@principal:user%3Aann`.
 *
 *   INV-ROLE-1  No two principals have one subject, and no name of a principal can be taken for a group.
 */
import { LedgerError, limits, utf8Length } from "@authledger/types";
import type { Principal } from "../gate/principal.js";

/** Roles of an organization or a vault; each includes those before it. */
export type TenantRole = "reader" | "writer" | "manager" | "administrator";
/** Roles of the cluster; the second one includes the first. */
export type ClusterRole = "operator" | "administrator";

/** The only object of its type. */
export const CLUSTER_OBJECT = "cluster:main";

/**
 * The subject of a principal's roles: its name with everything percent-encoded that an id may not hold.
 * @throws LedgerError ROLE_INVALID for a name that can be nobody's
 * @example principalSubject({ kind: "key", name: "key:k1" }) // "principal:key%3Ak1"
 */
export function principalSubject({ name }: Pick<Principal, "name">): string {
  return `principal:${encodeName(name)}`;
}

/** The name in an id of a tuple. @throws LedgerError ROLE_INVALID */
export function encodeName(name: string): string {
  const id = percentEncoded(name);
  if (id === undefined || id === "" || utf8Length(id) > limits.SUBJECT_BYTES_MAX / 2) {
    const message = "a principal's name is empty, too long, or no text";
    throw new LedgerError("ROLE_INVALID", message, { details: { field: "principal" } });
  }
  return id;
}

/** What {@link encodeName} was given. */
export function decodeName(id: string): string {
  return decodeURIComponent(id);
}

/** Undefined for a surrogate without its other half. */
function percentEncoded(name: string): string | undefined {
  try {
    return encodeURIComponent(name).replaceAll("*", "%2A");
  } catch {
    return undefined;
  }
}
