/** Reads a model in the language that it is written in. Parsing is done here, so that the engine sees only what is right. */
import { createHash } from "node:crypto";
import { type AuthorizationModel, encodeModelBody } from "@authledger/authz";
import { problemsOf, readLedgerModel } from "@authledger/authz/language";
import type { model } from "@authledger/proto";
import type { Source } from "./convert-model.js";

export interface ReadSource {
  readonly model: AuthorizationModel;
  /** As it is stored. */
  readonly body: Uint8Array;
  /** SHA-256 of the body, in hex digits. */
  readonly hash: string;
}

/** @throws LedgerError MODEL_INVALID with line and column, LIMIT_EXCEEDED */
export function readSource({ language, files }: Source): ReadSource {
  const read = readLedgerModel(language, files);
  const body = encodeModelBody({ language, files, model: read });
  return { model: read, body, hash: createHash("sha256").update(body).digest("hex") };
}

/** What is wrong with a model, one by one; all of it. */
export function problemMessages(error: unknown): model.ModelProblem[] {
  return problemsOf(error).map(({ file = "", line = 0, column = 0, message }) => ({
    ...{ file, line, column, message },
  }));
}
