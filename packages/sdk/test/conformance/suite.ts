/** The suite: every behaviour on a subject, and every public method of the client in it. */
import { describe, expect, it, onTestFinished } from "vitest";
import { AdminClient, type ClientOptions, LedgerClient, ModelsClient } from "../../src/index.js";
import { admin } from "./admin.js";
import type { Behaviour, Ledger, Subject } from "./behaviour.js";
import { changes } from "./changes.js";
import { decisions } from "./decisions.js";
import { history } from "./history.js";
import { listings } from "./listings.js";
import { models } from "./models.js";
import { past } from "./past.js";
import { reads } from "./reads.js";
import { writes } from "./writes.js";

const PARTS: Readonly<Record<string, readonly Behaviour[]>> = {
  writes,
  reads,
  listings,
  history,
  past,
  changes,
  admin,
  decisions,
  models,
};

/**
 * Methods that are about a node's own disk, of which a fake has none: it answers UNIMPLEMENTED, and the tests of the node
 * try them.
 */
const OF_THE_DISK: readonly string[] = ["compact", "checkIntegrity", "exportSnapshot"];

/** What the fake does not do, as its README says: it answers UNIMPLEMENTED. The tests of node and CLI try them. */
const NOT_IN_THE_FAKE: readonly string[] = [
  // It has no nodes to tell of.
  ...["suspendOrganization", "resumeOrganization"],
  ...["getUsage", "getHotKeys", "getConfig", "updateConfig", "auditLog"],
  ...["deleteByFilter", "erase", "endpoints"],
];

/** Runs everything on a subject. */
export function conformance(subject: Subject): void {
  const called = new Set<string>();
  describe(subject.name, () => {
    for (const [part, behaviours] of Object.entries(PARTS)) {
      describe(part, () => {
        it.each(behaviours.map((one) => [one.title, one] as const))("%s", async (_, behaviour) => {
          await behaviour.run(watched(await subject.ledger(), called));
        });
      });
    }
    it("and every public method of the client was called", () => {
      const methods = [LedgerClient, AdminClient, ModelsClient].flatMap(({ prototype }) =>
        methodsOf(prototype),
      );
      const left = methods.filter(
        (name) => ![...called, ...OF_THE_DISK, ...NOT_IN_THE_FAKE].includes(name),
      );
      expect(left).toEqual([]);
    });
  });
}

function methodsOf(prototype: object): string[] {
  return Object.getOwnPropertyNames(prototype).filter((name) => name !== "constructor");
}

/** Notes the methods that are called; clients are closed when the behaviour ends. */
function watched(ledger: Ledger, called: Set<string>): Ledger {
  const client = (options?: Partial<ClientOptions>): LedgerClient => {
    const made = ledger.client(options);
    onTestFinished(() => made.close());
    return noting(made, called);
  };
  return { ...ledger, client };
}

function noting<T extends object>(target: T, called: Set<string>): T {
  return new Proxy(target, {
    get: (_, name) => {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value === "object" && value !== null) return noting(value, called);
      if (typeof value !== "function") return value;
      return (...args: unknown[]): unknown => {
        called.add(String(name));
        return Reflect.apply(value, target, args);
      };
    },
  });
}
