/** What the suite runs on: the fake, and a node wherever it runs. */
import { setTimeout as sleep } from "node:timers/promises";
import { createFakeLedger } from "../../src/fake/index.js";
import { type ClientOptions, createClient } from "../../src/index.js";
import type { Ledger, Subject } from "./behaviour.js";

export const fake: Subject = {
  name: "the fake",
  ledger: async () => {
    const ledger = createFakeLedger();
    return {
      tenant: ledger.tenant as Ledger["tenant"],
      role: "leader",
      client: (options) => ledger.client(options),
      nowMs: () => ledger.clock.nowMs(),
      later: async (ms) => ledger.clock.advance(ms),
    };
  },
};

/** A node that is running, alone unless it is a follower. `options` of every client. */
export function nodeSubject(
  name: string,
  endpoint: () => string,
  { role = "leader", ...options }: Partial<ClientOptions> & Partial<Pick<Ledger, "role">> = {},
): Subject {
  return {
    name,
    ledger: async () => {
      const endpoints = endpoint();
      const { admin, close } = opened({ endpoints, ...options });
      const { slug: organization } = await admin.createOrganization("conformance");
      const { slug: vault } = await admin.createVault({ organization, name: "main" });
      close();
      const tenant = { organization, vault };
      return {
        ...{ tenant, role },
        client: (given) => createClient({ endpoints, tenant, ...options, ...given }),
        nowMs: () => Date.now(),
        later: (ms) => sleep(ms + 10).then(() => undefined),
      };
    },
  };
}

function opened(options: ClientOptions) {
  const client = createClient(options);
  return { admin: client.admin, close: () => client.close() };
}
