/** Checks, entities, lists, consistency. */
import { expect } from "vitest";
import {
  anyReplica,
  atHeight,
  atLeast,
  createTuple,
  deleteTuple,
  linearizable,
  setEntity,
} from "../../src/index.js";
import { type Behaviour, collected, expectRefusal } from "./behaviour.js";

const ALICE = "doc:budget#viewer@user:alice";
const BOB = "doc:budget#editor@user:bob";

export const reads: readonly Behaviour[] = [
  {
    title: "a check says whether exactly this tuple is stored, and at which height",
    run: async ({ client }) => {
      const ledger = client();
      await ledger.write([createTuple(ALICE)]);
      expect(await ledger.hasTuple(ALICE)).toMatchObject({ stored: true, height: 1n });
      const parts = { resource: "doc:budget", relation: "viewer", subject: "user:alice" };
      expect((await ledger.hasTuple(parts)).stored).toBe(true);
      for (const other of ["doc:budget#editor@user:alice", "doc:budge#viewer@user:alice", BOB]) {
        expect((await ledger.hasTuple(other)).stored).toBe(false);
      }
    },
  },
  {
    title: "checks of one tick and of one batch agree with single ones",
    run: async ({ client }) => {
      const ledger = client();
      await ledger.write([createTuple(ALICE)]);
      const together = await Promise.all([
        ledger.hasTuple(ALICE),
        ledger.hasTuple(BOB),
        ledger.hasTuple(ALICE),
      ]);
      expect(together.map(({ stored }) => stored)).toEqual([true, false, true]);
      expect(new Set(together.map(({ height }) => height))).toEqual(new Set([1n]));
      const batch = await ledger.hasTuples([ALICE, BOB]);
      expect([batch.stored, batch.height]).toEqual([[true, false], 1n]);
    },
  },
  {
    title: "an entity comes with value, version and expiry, or is absent",
    run: async ({ client }) => {
      const ledger = client();
      const expiresAtMs = 32_503_680_000_000;
      await ledger.write([
        setEntity("config:main", "on"),
        setEntity("a:b:c", new Uint8Array(0), { expiresAtMs }),
      ]);
      const { entity, height, nonce } = await ledger.read("config:main");
      const value = new TextEncoder().encode("on");
      expect(entity).toEqual({ key: "config:main", value, version: 1n, expiresAtMs: 0n });
      expect([height, nonce?.length]).toEqual([1n, 16]);
      const { entities } = await ledger.batchRead(["a:b:c", "missing", "config:main"]);
      expect(entities.map((one) => one?.value.length)).toEqual([0, undefined, 2]);
      expect(entities[0]?.expiresAtMs).toBe(BigInt(expiresAtMs));
      const [first, second] = await Promise.all([
        ledger.read("config:main"),
        ledger.read("missing"),
      ]);
      expect([first.entity?.version, second.entity, second.nonce]).toEqual([
        1n,
        undefined,
        undefined,
      ]);
    },
  },
  {
    title: "what is given out belongs to the caller: changing it changes nothing",
    run: async ({ client }) => {
      const ledger = client();
      const value = Uint8Array.of(1, 2, 3);
      const write = ledger.write([setEntity("k", value)]);
      await write;
      value.fill(9);
      const { entity } = await ledger.read("k");
      expect(entity?.value).toEqual(Uint8Array.of(1, 2, 3));
      entity?.value.fill(7);
      expect((await ledger.read("k")).entity?.value).toEqual(Uint8Array.of(1, 2, 3));
    },
  },
  {
    title: "a token of an earlier answer is accepted for its vault alone",
    run: async ({ client, tenant }) => {
      const ledger = client();
      const { token } = await ledger.write([createTuple(ALICE)]);
      const options = { consistency: atLeast(token) };
      expect((await ledger.hasTuple(ALICE, options)).stored).toBe(true);
      expect((await ledger.list({}, options).collect()).length).toBe(1);
      const made = { organization: tenant.organization, name: "other" };
      const { slug: vault } = await ledger.admin.createVault(made);
      const other = client({ tenant: { ...tenant, vault } });
      await expectRefusal(other.hasTuple(ALICE, options), "TOKEN_OTHER_VAULT");
      await expectRefusal(
        ledger.hasTuple(ALICE, { consistency: atLeast("AAAA") }),
        "TOKEN_INVALID",
      );
      await expectRefusal(ledger.hasTuple(ALICE, { consistency: atLeast("?") }), "TOKEN_INVALID");
    },
  },
  {
    title: "every way to ask for consistency is answered where there is one replica",
    run: async ({ client }) => {
      const ledger = client();
      const { token } = await ledger.write([createTuple(ALICE)]);
      const ways = [linearizable, atLeast(token), anyReplica(), anyReplica({ maxStalenessMs: 50 })];
      for (const consistency of ways) {
        expect((await ledger.hasTuple(ALICE, { consistency })).stored).toBe(true);
      }
      await expectRefusal(
        ledger.hasTuple(ALICE, { consistency: atHeight(2n) }),
        "HEIGHT_NOT_REACHED",
        {
          height: 2,
          newest: 1,
        },
      );
    },
  },
  {
    title: "a list gives the tuples of any combination of resource, relation and subject",
    run: async ({ client }) => {
      const ledger = client();
      const all = [ALICE, BOB, "doc:plan#viewer@user:alice", "doc:plan#viewer@group:all#member"];
      await ledger.write(all.map((tuple) => createTuple(tuple)));
      await ledger.write([
        createTuple("doc:gone#viewer@user:alice"),
        deleteTuple("doc:gone#viewer@user:alice"),
      ]);
      const texts = async (filter: Parameters<typeof ledger.list>[0]): Promise<string[]> => {
        const rows = await ledger.list(filter).collect();
        return rows
          .map(({ tuple }) => `${tuple.resource}#${tuple.relation}@${tuple.subject}`)
          .sort();
      };
      expect(await texts({})).toEqual([...all].sort());
      expect(await texts({ resource: "doc:budget" })).toEqual([BOB, ALICE].sort());
      expect(await texts({ resource: "doc:budget", relation: "viewer" })).toEqual([ALICE]);
      expect(await texts({ subject: "user:alice" })).toEqual([ALICE, all[2]].sort());
      expect(await texts({ subject: "user:alice", relation: "editor" })).toEqual([]);
      expect(await texts({ relation: "editor" })).toEqual([BOB]);
      expect(
        await texts({ resource: "doc:budget", relation: "editor", subject: "user:bob" }),
      ).toEqual([BOB]);
      expect(await texts({ resource: "doc:budget", subject: "user:alice" })).toEqual([ALICE]);
    },
  },
  {
    title: "pages of a list join to the list, in one order and without repetition",
    run: async ({ client }) => {
      const ledger = client();
      const tuples = Array.from({ length: 25 }, (_, i) =>
        createTuple(`doc:budget#viewer@user:${i}`),
      );
      await ledger.write(tuples);
      const whole = await ledger.list({ resource: "doc:budget" }).collect();
      expect(whole).toHaveLength(25);
      for (const pageSize of [1, 7, 25, 100]) {
        const pages = await collected(
          ledger.list({ resource: "doc:budget" }, { pageSize }).pages(),
        );
        expect(
          pages.map(({ relationships }) => relationships.length).every((n) => n <= pageSize),
        ).toBe(true);
        expect(pages.flatMap(({ relationships }) => relationships)).toEqual(whole);
      }
      const limited = ledger.list({ resource: "doc:budget" }).collect(24);
      await expectRefusal(limited, "LIMIT_EXCEEDED", { limit: 24 });
    },
  },
  {
    title:
      "the first rows of a list are taken without the rest, and a list ends when it is given up",
    run: async ({ client }) => {
      const ledger = client();
      const tuples = Array.from({ length: 9 }, (_, i) =>
        createTuple(`doc:budget#viewer@user:${i}`),
      );
      await ledger.write(tuples);
      const controller = new AbortController();
      const { signal } = controller;
      const list = ledger.list({ resource: "doc:budget" }, { pageSize: 2, signal });
      const whole = await list.toArray();
      expect(whole).toEqual(await list.collect());
      for (const limit of [0, 1, 4, 9, 10]) {
        expect(await list.toArray({ limit })).toEqual(whole.slice(0, limit));
      }
      await expectRefusal(list.toArray({ limit: -1 }), "INVALID_ARGUMENT", { field: "limit" });
      const seen: unknown[] = [];
      const reading = (async () => {
        for await (const row of list) {
          seen.push(row);
          if (seen.length === 3) controller.abort();
        }
      })();
      await expectRefusal(reading, "CANCELLED");
      expect(seen).toEqual(whole.slice(0, 4));
    },
  },
  {
    title: "reads of wrong names and counts are refused before anything is asked",
    run: async ({ client }) => {
      const ledger = client();
      await expectRefusal(ledger.hasTuple("doc#viewer@user:a"), "INVALID_TUPLE");
      await expectRefusal(ledger.read(""), "INVALID_ARGUMENT");
      await expectRefusal(ledger.hasTuples([] as string[]), "INVALID_ARGUMENT", {
        field: "tuples",
      });
      await expectRefusal(ledger.batchRead([] as string[]), "INVALID_ARGUMENT", { field: "keys" });
      await expectRefusal(ledger.batchRead(Array(1_001).fill("k")), "LIMIT_EXCEEDED", {
        limit: 1_000,
      });
      await expectRefusal(ledger.list({ resource: "nonsense" }).collect(), "INVALID_TUPLE");
      await expectRefusal(ledger.list({}, { pageSize: 1_001 }).collect(), "INVALID_ARGUMENT");
    },
  },
  {
    title: "a vault, an organization, or a tenant that is not there is named in the error",
    run: async ({ client, tenant }) => {
      const { organization } = tenant;
      const gone = client({ tenant: { organization, vault: 12n } });
      await expectRefusal(gone.hasTuple(ALICE), "VAULT_NOT_FOUND", { vault: "12" });
      await expectRefusal(gone.write([createTuple(ALICE)]), "VAULT_NOT_FOUND");
      const nowhere = client({ tenant: { organization: 12n, vault: 12n } });
      await expectRefusal(nowhere.getTip(), "ORGANIZATION_NOT_FOUND", { organization: "12" });
      await expectRefusal(client({ tenant: undefined }).getTip(), "SLUG_REQUIRED", {
        field: "organization",
      });
    },
  },
  {
    title: "a call is given up before it is sent and while it is on its way",
    run: async ({ client }) => {
      const ledger = client();
      await expectRefusal(ledger.hasTuple(ALICE, { signal: AbortSignal.abort() }), "CANCELLED");
      await expectRefusal(ledger.getTip({ signal: AbortSignal.abort() }), "CANCELLED");
      const controller = new AbortController();
      const call = ledger.hasTuples([ALICE], { signal: controller.signal });
      controller.abort();
      await expectRefusal(call, "CANCELLED");
      await expectRefusal(ledger.hasTuple(ALICE, { deadlineMs: 0 }), "INVALID_ARGUMENT", {
        field: "deadlineMs",
      });
      await expectRefusal(ledger.hasTuple(ALICE, { requestId: "a b" }), "INVALID_ARGUMENT", {
        field: "requestId",
      });
      expect((await ledger.hasTuple(ALICE, { requestId: "mine", deadlineMs: 4_000 })).stored).toBe(
        false,
      );
    },
  },
  {
    title: "a closed client answers nothing more, and may be closed again",
    run: async ({ client }) => {
      const ledger = client();
      await ledger.getTip();
      ledger.close();
      ledger.close();
      await expectRefusal(ledger.getTip(), "CLIENT_CLOSED");
      await ledger[Symbol.asyncDispose]();
    },
  },
];
