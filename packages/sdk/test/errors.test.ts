/** The error classes that are generated from the table. */
import { ERROR_TABLE, type ErrorCode, LedgerError } from "@authledger/types";
import { describe, expect, it, onTestFinished } from "vitest";
import { rejectedBy } from "../../../test/support.js";
import * as sdk from "../src/index.js";
import { fakeLedger, refusal } from "./support/fake-ledger.js";

const TUPLE = "doc:budget#viewer@user:alice";

function classOf(code: string): unknown {
  const name = `${code.toLowerCase().replace(/(?:^|_)([a-z])/g, (_, first: string) => first.toUpperCase())}Error`;
  return (sdk as Readonly<Record<string, unknown>>)[name];
}

function clientOf(endpoint: string): sdk.LedgerClient {
  const client = sdk.createClient({
    endpoints: endpoint,
    tenant: { organization: 7n, vault: 9n },
    attemptsMax: 1,
  });
  onTestFinished(() => client.close());
  return client;
}

describe("every code of the table", () => {
  it("has a class, and an error is an instance of the class of its code alone", () => {
    const codes = Object.keys(ERROR_TABLE) as ErrorCode[];
    const classes = codes.map((code) => {
      const made = classOf(code);
      if (typeof made !== "function") throw new Error(`no class for ${code}`);
      return { code, made: made as new (message: string) => LedgerError };
    });
    for (const { code } of classes.filter((one) => one.code !== "EQUIVOCATION")) {
      const error = new LedgerError(code, "it happened");
      const found = classes.filter(({ made }) => error instanceof made).map((one) => one.code);
      expect(found).toEqual([code]);
    }
    const error = new sdk.VaultNotFoundError("no such vault");
    expect(error).toBeInstanceOf(LedgerError);
    expect([error.code, error.message]).toEqual(["VAULT_NOT_FOUND", "no such vault"]);
    for (const other of [
      undefined,
      null,
      "VAULT_NOT_FOUND",
      new Error("x"),
      { code: "VAULT_NOT_FOUND" },
    ]) {
      expect(other instanceof sdk.VaultNotFoundError).toBe(false);
    }
  });

  it("says whether the same request may be sent again, and when", () => {
    const busy = new LedgerError("OVERLOADED", "full", { retryAfterMs: 30 });
    expect(busy.retry).toEqual({ kind: "safe", afterMs: 30 });
    expect(new sdk.DeadlineExceededError("late").retry).toEqual({ kind: "with-key", afterMs: 0 });
    expect(new sdk.InvalidTupleError("wrong").retry).toEqual({ kind: "never" });
  });
});

describe("an error of the server", () => {
  it("is an instance of its class, its facts typed as the table knows them", async () => {
    const context = { operation: "2", key: "config:main", version: "17", note: "5" };
    const { endpoint } = await fakeLedger({
      write: {
        write: () => {
          throw refusal("PRECONDITION_FAILED", "it is at version 17", { context });
        },
      },
    });
    const error = await rejectedBy(clientOf(endpoint).write([sdk.createTuple(TUPLE)]));
    if (!(error instanceof sdk.PreconditionFailedError)) throw error;
    const { operation, key, version }: { operation?: number; key?: string; version?: number } =
      error.details;
    expect([operation, key, version]).toEqual([2, "config:main", 17]);
    // What the table does not know stays as it came.
    expect(error.details["note"]).toBe("5");
    expect(error instanceof sdk.VaultNotFoundError).toBe(false);
  });

  it("keeps a fact as text that is no number although it should be one", async () => {
    const context = { operation: "second", version: "99999999999999999" };
    const { endpoint } = await fakeLedger({
      write: {
        write: () => {
          throw refusal("PRECONDITION_FAILED", "no", { context });
        },
      },
    });
    const error = await rejectedBy(clientOf(endpoint).write([sdk.createTuple(TUPLE)]));
    expect(error.details).toMatchObject(context);
  });
});

it("errors of the client itself are instances too", async () => {
  const client = clientOf("127.0.0.1:1");
  const wrong = await rejectedBy(client.hasTuple("doc:budget#viewer"));
  expect(wrong instanceof sdk.InvalidTupleError).toBe(true);
  const lost = await rejectedBy(client.hasTuple(TUPLE));
  expect(lost instanceof sdk.UnavailableError).toBe(true);
  expect(lost instanceof sdk.UnreachableError).toBe(true);
  expect(new sdk.UnavailableError("gone") instanceof sdk.UnreachableError).toBe(false);
});
