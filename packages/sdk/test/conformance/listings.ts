/** Lists without proofs, and what a client did last. */
import { expect } from "vitest";
import { atHeight, createTuple, deleteTuple, setEntity } from "../../src/index.js";
import { type Behaviour, collected, expectRefusal, SOON_MS } from "./behaviour.js";

export const listings: readonly Behaviour[] = [
  {
    title: "entities are listed by prefix, in the order of their keys' bytes, without the expired",
    run: async ({ client, nowMs, later }) => {
      const ledger = client();
      const keys = [
        "config:b",
        "config:a",
        "config:a:b",
        "other",
        "config",
        "config:é",
        "config:z",
      ];
      await ledger.write(keys.map((key) => setEntity(key, key)));
      await ledger.write([setEntity("config:gone", "", { expiresAtMs: nowMs() + SOON_MS })]);
      await later(SOON_MS);
      const listed = async (prefix?: string, pageSize?: number): Promise<string[]> => {
        const rows = await ledger.listEntities(prefix, { pageSize }).collect();
        return rows.map(({ key }) => key);
      };
      const sorted = [
        "config",
        "config:a",
        "config:a:b",
        "config:b",
        "config:z",
        "config:é",
        "other",
      ];
      expect(await listed()).toEqual(sorted);
      expect(await listed("", 2)).toEqual(sorted);
      expect(await listed("config:a")).toEqual(["config:a", "config:a:b"]);
      expect(await listed("config:", 1)).toEqual(sorted.slice(1, 6));
      expect(await listed("nothing")).toEqual([]);
      const [first] = await ledger.listEntities("config:b").toArray({ limit: 1 });
      expect(first).toMatchObject({ key: "config:b", version: 1n, expiresAtMs: 0n });
      expect(first?.value).toEqual(new TextEncoder().encode("config:b"));
    },
  },
  {
    title: "resources of a type are listed once each, as long as a tuple is about them",
    run: async ({ client }) => {
      const ledger = client();
      const resources = Array.from({ length: 7 }, (_, i) => `doc:${i}`);
      await ledger.write([
        ...resources.flatMap((resource) => [
          createTuple(`${resource}#viewer@user:alice`),
          createTuple(`${resource}#editor@user:bob`),
        ]),
        createTuple("docs:1#viewer@user:alice"),
        createTuple("folder:1#viewer@doc:9#member"),
      ]);
      await ledger.write([
        deleteTuple("doc:0#viewer@user:alice"),
        deleteTuple("doc:0#editor@user:bob"),
      ]);
      for (const pageSize of [1, 3, 1_000]) {
        const found = await collected(ledger.listResources("doc", { pageSize }));
        expect([...found].sort()).toEqual(resources.slice(1));
      }
      expect(await ledger.listResources("group").collect()).toEqual([]);
      await expectRefusal(ledger.listResources("no type").collect(), "INVALID_TUPLE", {
        field: "type",
      });
    },
  },
  {
    title: "a client finds out what it did last, and nothing where it did nothing",
    run: async ({ client }) => {
      const ledger = client({ clientId: "importer" });
      const none = await ledger.clientState("importer");
      expect(none).toMatchObject({
        lastSequence: 0n,
        lastHeight: 0n,
        lastTransactionId: undefined,
      });
      await ledger.write([setEntity("a", "1")]);
      const { transactionId, height } = await ledger.write([setEntity("b", "1")]);
      await client().write([setEntity("c", "1")]);
      expect(await ledger.clientState("importer")).toMatchObject({
        lastSequence: 2n,
        lastHeight: height,
        lastTransactionId: transactionId,
      });
      await expectRefusal(ledger.clientState(""), "INVALID_ARGUMENT", { field: "client_id" });
      const past = ledger.clientState("importer", { consistency: atHeight(1n) });
      await expectRefusal(past, "INVALID_ARGUMENT", { field: "consistency" });
    },
  },
  {
    title: "a client that verifies does not take the server's word unless it is told to",
    run: async ({ client }) => {
      await client().write([setEntity("a", "1")]);
      const ledger = client({ verify: { trustOnFirstUse: true } });
      const field = { field: "unproven" };
      await expectRefusal(ledger.listEntities().collect(), "INVALID_ARGUMENT", field);
      await expectRefusal(ledger.clientState("a"), "INVALID_ARGUMENT", field);
      expect(await ledger.listEntities("", { unproven: true }).collect()).toHaveLength(1);
    },
  },
];
