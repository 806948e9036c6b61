/** Names of organizations and vaults, and the free texts of a request (L-44, L-45). */
import { utf8Length } from "./bytes.js";
import { LedgerError } from "./ledger-error.js";
import { NAME_CHARACTERS_MAX } from "./limits.js";
import { measurePrintable } from "./text.js";

/** @throws LedgerError NAME_INVALID unless 1 to 256 letters, digits, hyphens and underscores. */
export function validateName(name: string, field: string): void {
  if (/^[A-Za-z0-9_-]+$/.test(name) && name.length <= NAME_CHARACTERS_MAX) return;
  const shown = name.length > 80 ? `${name.slice(0, 80)}...` : name;
  throw new LedgerError("NAME_INVALID", `${field} "${shown}" is not a name`, {
    details: { field },
  });
}

/** Checks an optional label such as a client id: printable, at most `limit` bytes. */
export function validateLabel(text: string, limit: number, field: string): void {
  const measured = measurePrintable(text);
  if (!measured.ok) {
    throw new LedgerError("INVALID_ARGUMENT", `${field} ${measured.reason}`, {
      details: { field },
    });
  }
  checkBytes(measured.bytes, limit, field);
}

/** Checks free text such as a reason: well-formed, at most `limit` bytes. */
export function validateFreeText(text: string, limit: number, field: string): void {
  const bytes = utf8Length(text);
  if (bytes < 0) {
    const message = `${field} is not valid UTF-8: it holds a lone surrogate`;
    throw new LedgerError("INVALID_ARGUMENT", message, { details: { field } });
  }
  checkBytes(bytes, limit, field);
}

function checkBytes(bytes: number, limit: number, field: string): void {
  if (bytes <= limit) return;
  throw new LedgerError("LIMIT_EXCEEDED", `${field} is ${bytes} bytes; the limit is ${limit}`, {
    details: { field, limit, actual: bytes },
  });
}
