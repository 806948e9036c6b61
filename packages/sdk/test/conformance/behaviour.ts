/** What a behaviour of the suite is: a rule and a function that tries it on any ledger through its client. */
import { LedgerError } from "@authledger/types";
import { expect } from "vitest";
import type { ClientOptions, LedgerClient, Tenant } from "../../src/index.js";

/** A ledger with a vault of the behaviour's own. */
export interface Ledger {
  readonly tenant: Required<Tenant>;
  /** Of the node that answers. */
  readonly role: "leader" | "follower";
  /** Of that vault, unless the options say otherwise. */
  client(options?: Partial<ClientOptions>): LedgerClient;
  /** The ledger's time, in milliseconds since 1970. */
  nowMs(): number;
  /** So much later; on a real ledger it takes that long. */
  later(ms: number): Promise<void>;
}

export interface Behaviour {
  /** The rule. */
  readonly title: string;
  run(ledger: Ledger): Promise<void>;
}

/** Something to test: makes a ledger for each behaviour. */
export interface Subject {
  readonly name: string;
  ledger(): Promise<Ledger>;
}

/** The error that a call must end with. */
export async function refusal(call: Promise<unknown>): Promise<LedgerError> {
  const error: unknown = await call.then(
    () => new Error("it was answered"),
    (thrown: unknown) => thrown,
  );
  if (error instanceof LedgerError) return error;
  throw error;
}

/** Does the call end with this code, and these facts among others? */
export async function expectRefusal(
  call: Promise<unknown>,
  code: string,
  details: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const error = await refusal(call);
  expect(`${error.code}: ${error.message}`).toMatch(new RegExp(`^${code}: `));
  expect(error.details).toMatchObject(details);
}

/** Milliseconds that a real ledger has passed for certain after it was waited for. */
export const SOON_MS = 40;

export async function collected<T>(rows: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const row of rows) all.push(row);
  return all;
}
