/** The records of a vault's models as a state of it has them (docs/format/model.md). */
import {
  ACTIVE_MODEL_KEY,
  type ActiveModel,
  decodeActiveModel,
  decodeAssertions,
  decodeModelAbout,
  MODEL_VERSIONS_MAX,
  type ModelAbout,
  type ModelAssertion,
  type ModelRecordName,
  modelAboutKey,
  modelAssertionsKey,
  modelBodyKey,
} from "@authledger/authz";
import { ledgerRecordKey, NONCE_BYTES } from "@authledger/proof";
import type { StateView } from "@authledger/state";
import { assert, LedgerError } from "@authledger/types";
import type { ModelInfo } from "./authorization-calls.js";

/** `nonce16 || value` of a record, a view; undefined where there is none. */
function storedRecord(
  view: StateView,
  { partition, group, item }: ModelRecordName,
): Uint8Array | undefined {
  const key = ledgerRecordKey(partition, group, item);
  const path = view.paths.path(key);
  return view.record(key, path) === undefined ? undefined : view.value(path);
}

function recordValue(view: StateView, name: ModelRecordName): Uint8Array | undefined {
  return storedRecord(view, name)?.slice(NONCE_BYTES);
}

/** Undefined before the first activation. Version 0: there is none any more. */
export function activeRecord(view: StateView): ActiveModel | undefined {
  const value = recordValue(view, ACTIVE_MODEL_KEY);
  return value && decodeActiveModel(value);
}

export function aboutVersion(view: StateView, version: number): ModelAbout | undefined {
  const value = recordValue(view, modelAboutKey(version));
  return value && decodeModelAbout(value);
}

/** @throws LedgerError MODEL_NOT_FOUND */
export function requireVersion(view: StateView, version: number): ModelAbout {
  const about = version > 0 ? aboutVersion(view, version) : undefined;
  if (about !== undefined) return about;
  const newest = newestVersion(view);
  const message = `there is no model version ${version}; the newest is ${newest}`;
  throw new LedgerError("MODEL_NOT_FOUND", message, { details: { version, newest } });
}

/** As `encodeModelBody` made it, of a version that is there. */
export function bodyOf(view: StateView, version: number): Uint8Array {
  const body = recordValue(view, modelBodyKey(version));
  assert(body !== undefined, "a version of a model has a body", { vault: view.id, version });
  return body;
}

export function assertionsOf(view: StateView, version: number): readonly ModelAssertion[] {
  const value = recordValue(view, modelAssertionsKey(version));
  return value === undefined ? [] : decodeAssertions(value);
}

/** 0 where there is none. Versions have no gaps, so a few points tell. */
export function newestVersion(view: StateView): number {
  let low = 0;
  let high = MODEL_VERSIONS_MAX;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (storedRecord(view, modelAboutKey(middle)) === undefined) high = middle - 1;
    else low = middle;
  }
  return low;
}

/** The version with a body of this hash: the same model again is the same version. */
export function versionOfHash(view: StateView, hash: string): number | undefined {
  for (let version = newestVersion(view); version > 0; version--) {
    if (aboutVersion(view, version)?.hash === hash) return version;
  }
  return undefined;
}

export function modelInfo(view: StateView, version: number, about: ModelAbout): ModelInfo {
  const active = activeRecord(view);
  const isActive = active !== undefined && active.version === version && version > 0;
  const assertions = version === 0 ? 0 : assertionsOf(view, version).length;
  return {
    ...about,
    version,
    isActive,
    activatedAtMs: isActive ? active.activatedAtMs : 0,
    assertions,
  };
}
