/**
 * Entity keys. The commitment groups entities by the part of the key up to and including its last ":"
 * (commitment.md, kind 0x03), so that "all entities of user:alice:" can be listed with proof.
 */
import { LedgerError } from "./ledger-error.js";
import { ENTITY_KEY_BYTES_MAX } from "./limits.js";
import { measurePrintable } from "./text.js";

/** The two parts of an entity key; `partition` is empty or ends in ":", `item` has no ":". */
export interface EntityKeyParts {
  readonly partition: string;
  readonly item: string;
}

/** @throws LedgerError INVALID_ARGUMENT or LIMIT_EXCEEDED: 1 to 900 bytes of printable UTF-8 without white space. */
export function validateEntityKey(key: string, field = "key"): void {
  if (key.length === 0) {
    throw new LedgerError("INVALID_ARGUMENT", `${field} is empty`, { details: { field } });
  }
  const measured = measurePrintable(key);
  if (!measured.ok) {
    const message = `${field} "${key.slice(0, 80)}" ${measured.reason}`;
    throw new LedgerError("INVALID_ARGUMENT", message, { details: { field } });
  }
  if (measured.bytes > ENTITY_KEY_BYTES_MAX) {
    const message = `${field} is ${measured.bytes} bytes; the limit is ${ENTITY_KEY_BYTES_MAX}`;
    const details = { field, limit: ENTITY_KEY_BYTES_MAX, actual: measured.bytes };
    throw new LedgerError("LIMIT_EXCEEDED", message, { details });
  }
}

/** @example splitEntityKey("user:alice:theme") // { partition: "user:alice:", item: "theme" } */
export function splitEntityKey(key: string): EntityKeyParts {
  const colon = key.lastIndexOf(":");
  return { partition: key.slice(0, colon + 1), item: key.slice(colon + 1) };
}
