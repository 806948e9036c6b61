/** Changes that carry no idempotency key: what a lost node leaves open is told, and not tried again. */
import type { LedgerError } from "@authledger/types";
import { expect, it, onTestFinished } from "vitest";
import { attemptsOf, createClient, type LedgerClient } from "../src/index.js";
import {
  type FakeHandlers,
  type FakeLedger,
  fakeLedger,
  NONE,
  refusal,
} from "./support/fake-ledger.js";

const CALLS: readonly [string, (client: LedgerClient) => Promise<unknown>, RegExp][] = [
  [
    "deleteByFilter",
    (client) => lastOf(client.deleteByFilter({ subject: "user:ann" })),
    /same filter again/,
  ],
  ["erase", (client) => client.erase({ entity: "person:7" }), /look at what is stored now/],
  ["quotas.delete", (client) => client.quotas.delete({ tier: "gold" }), /whether it is still set/],
];

async function lastOf<T>(steps: AsyncIterable<T>): Promise<T | undefined> {
  let last: T | undefined;
  for await (const step of steps) last = step;
  return last;
}

/** A node that counts what it does, and then does `after`. */
async function node(after: () => void): Promise<{ ledger: FakeLedger; done: string[] }> {
  const done: string[] = [];
  const note = <T>(name: string, answer: T): T => {
    done.push(name);
    after();
    return answer;
  };
  const handlers: FakeHandlers = {
    write: {
      deleteByFilter: ({ dryRun }) => {
        const found = { deleted: 1n, matched: 1n, nextPageToken: NONE, token: NONE };
        return note(dryRun ? "count" : "deleteByFilter", found);
      },
      erase: () => note("erase", { erased: 1n, deleted: true, token: NONE }),
    },
    admin: { deleteQuota: () => note("quotas.delete", { existed: true }) },
  };
  return { ledger: await fakeLedger(handlers), done };
}

function clientOf(...nodes: { ledger: FakeLedger }[]): LedgerClient {
  const endpoints = nodes.map(({ ledger }) => ledger.endpoint);
  const tenant = { organization: 7n, vault: 9n };
  const client = createClient({ endpoints, tenant, discover: false });
  onTestFinished(() => client.close());
  return client;
}

// The leader commits "delete what matches" and dies before it answers. Somebody writes a matching tuple anew, which is
// acknowledged. The same call went to the next leader by itself, and deleted that too; its counts lacked the first one's.
it.each(CALLS)(
  "%s is sent once, and its caller is told how to go on (INV-SDK-1)",
  async (name, call, advice) => {
    const first = await node(() => first.ledger.stop());
    const second = await node(() => undefined);
    const error = (await call(clientOf(first, second)).catch(
      (thrown: unknown) => thrown,
    )) as LedgerError;
    expect([error.code, first.done, second.done]).toEqual(["COMMIT_UNKNOWN", [name], []]);
    expect(error.message).toMatch(advice);
    expect(attemptsOf(error)).toHaveLength(1);
  },
);

it.each(CALLS)(
  "%s that a node could not follow is not sent again either (INV-SDK-1)",
  async (name, call, advice) => {
    const lost = await node(() => {
      throw refusal("COMMIT_UNKNOWN", "the leader was lost");
    });
    const error = (await call(clientOf(lost)).catch((thrown: unknown) => thrown)) as LedgerError;
    expect([error.code, lost.done]).toEqual(["COMMIT_UNKNOWN", [name]]);
    expect(error.message).toMatch(advice);
  },
);

it.each(CALLS)(
  "%s that cannot have happened goes to another node, and says so where there is none",
  async (name, call) => {
    const gone = await node(() => undefined);
    gone.ledger.stop();
    const there = await node(() => undefined);
    await call(clientOf(gone, there));
    expect(there.done).toEqual([name]);
    const alone = clientOf(gone);
    const error = (await call(alone).catch((thrown: unknown) => thrown)) as LedgerError;
    expect(error.code).toBe("UNAVAILABLE");
  },
);

it("a count of what a filter matches is a read, and asked again (INV-SDK-1)", async () => {
  const first = await node(() => first.ledger.stop());
  const second = await node(() => undefined);
  const client = clientOf(first, second);
  const counted = await lastOf(client.deleteByFilter({ subject: "user:ann" }, { dryRun: true }));
  expect([counted?.matched, first.done, second.done]).toEqual([1n, ["count"], ["count"]]);
});
