/** What stands in a browser in the place of `verify/file-roots.ts` (package.json, `browser`). */
import { LedgerError } from "@authledger/types";
import type { PinnedRoots } from "../verify/pinned-roots.js";

export class FileRoots implements PinnedRoots {
  load(): Promise<string | undefined> {
    return Promise.reject(noFiles());
  }

  save(): Promise<void> {
    return Promise.reject(noFiles());
  }
}

function noFiles(): LedgerError {
  const message = "a browser has no files for pinned roots: use IndexedDbRoots";
  return new LedgerError("INVALID_ARGUMENT", message, { details: { field: "pinnedRoots" } });
}
