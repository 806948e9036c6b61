/** The records of a fake vault's models (docs/format/model.md), and the one that decides, compiled. */
import {
  ACTIVE_MODEL_KEY,
  type ActiveModel,
  type CompiledModel,
  compileModel,
  decodeActiveModel,
  decodeAssertions,
  decodeModelAbout,
  decodeModelBody,
  type ModelAbout,
  type ModelAssertion,
  type ModelRecordName,
  modelAboutKey,
  modelAssertionsKey,
  modelBodyKey,
} from "@authledger/authz";
import { type LedgerKey, ledgerRecordKey } from "@authledger/proof";
import { LedgerError } from "@authledger/types";
import type { NoncedValue } from "./vault.js";

/** Values of a state by their keys. */
export type Values = (key: LedgerKey) => NoncedValue | undefined;

/** A model that decides. */
export interface DecidingModel {
  readonly version: number;
  /** SHA-256 of the body, in hex digits. */
  readonly hash: string;
  readonly compiled: CompiledModel;
}

/** A version, and what is true of it in a state. */
export interface VersionInfo extends ModelAbout {
  /** 0 = it is not stored. */
  readonly version: number;
  readonly isActive: boolean;
  readonly activatedAtMs: number;
  readonly assertions: number;
}

const NEVER_ACTIVE: ActiveModel = { version: 0, hash: "", activatedAtMs: 0, before: [] };

/** By the stored body, which never changes. */
const compiledBodies = new WeakMap<NoncedValue, CompiledModel>();

/** Version 0 where none is active. */
export function activeRecord(values: Values): ActiveModel {
  const stored = values(recordKey(ACTIVE_MODEL_KEY));
  return stored === undefined ? NEVER_ACTIVE : decodeActiveModel(stored.value);
}

/** Undefined where no model is active. */
export function decidingModel(values: Values): DecidingModel | undefined {
  const { version, hash } = activeRecord(values);
  return version === 0 ? undefined : { version, hash, compiled: compiledOf(values, version) };
}

/** @throws LedgerError NO_ACTIVE_MODEL */
export function requireModel(values: Values): DecidingModel {
  const model = decidingModel(values);
  if (model !== undefined) return model;
  throw new LedgerError("NO_ACTIVE_MODEL", "no model of the vault is active");
}

export function compiledOf(values: Values, version: number): CompiledModel {
  const stored = values(recordKey(modelBodyKey(version)))!;
  const known = compiledBodies.get(stored) ?? compileModel(decodeModelBody(stored.value).model);
  compiledBodies.set(stored, known);
  return known;
}

/** @throws LedgerError MODEL_NOT_FOUND */
export function requireVersion(values: Values, version: number): ModelAbout {
  const about = version > 0 ? aboutVersion(values, version) : undefined;
  if (about !== undefined) return about;
  const newest = newestVersion(values);
  const message = `there is no model version ${version}; the newest is ${newest}`;
  throw new LedgerError("MODEL_NOT_FOUND", message, { details: { version, newest } });
}

export function newestVersion(values: Values): number {
  let version = 0;
  while (values(recordKey(modelAboutKey(version + 1))) !== undefined) version++;
  return version;
}

/** The same model again is the same version. */
export function versionOfHash(values: Values, hash: string): number | undefined {
  for (let version = newestVersion(values); version > 0; version--) {
    if (aboutVersion(values, version)?.hash === hash) return version;
  }
  return undefined;
}

export function assertionsAt(values: Values, version: number): readonly ModelAssertion[] {
  const stored = values(recordKey(modelAssertionsKey(version)));
  return stored === undefined ? [] : decodeAssertions(stored.value);
}

/** @param about of a version, or of a model that is not stored */
export function infoOf(values: Values, version: number, about: ModelAbout): VersionInfo {
  const active = activeRecord(values);
  const isActive = version > 0 && active.version === version;
  const assertions = version === 0 ? 0 : assertionsAt(values, version).length;
  const activatedAtMs = isActive ? active.activatedAtMs : 0;
  return { ...about, version, isActive, activatedAtMs, assertions };
}

export function recordKey({ partition, group, item }: ModelRecordName): LedgerKey {
  return ledgerRecordKey(partition, group, item);
}

function aboutVersion(values: Values, version: number): ModelAbout | undefined {
  const stored = values(recordKey(modelAboutKey(version)));
  return stored && decodeModelAbout(stored.value);
}
