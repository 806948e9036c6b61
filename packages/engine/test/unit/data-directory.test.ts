/** Opening a data directory: a new one, one's own, one that is in use, damaged, of another version or not whole. */
import { type Disk, MemoryDisk, SeededRandom } from "@authledger/io";
import { groupId, toHex } from "@authledger/types";
import { Wal } from "@authledger/wal";
import { describe, expect, test } from "vitest";
import { rejectedBy, temporaryDirectory } from "../../../../test/support.js";
import { openNodeEngine } from "../../src/index.js";
import {
  applied,
  createTuple,
  DIRECTORY,
  LINEARIZABLE,
  newVault,
  openNode,
  STORE_FILE,
  setEntity,
  TestTime,
  tupleOf,
  writeOne,
} from "../engine-support.js";
import { LightReader } from "../light-reader.js";

const NODE_FILE = `${DIRECTORY}/node.json`;
const SECRETS = ["log.seed", "replica.seed", "page-token.key"].map(
  (name) => `${DIRECTORY}/keys/${name}`,
);
const FILES = [NODE_FILE, ...SECRETS];

/** A directory with a vault of a few blocks that was closed in order. */
async function usedDisk(writes = 3): Promise<{ disk: MemoryDisk; vault: number; time: TestTime }> {
  const disk = new MemoryDisk();
  const { engine, time } = await openNode(disk);
  const vault = await newVault(engine);
  for (let i = 0; i < writes; i++)
    applied(await writeOne(engine, vault, [createTuple(`doc:${i}`)]));
  await engine.close();
  return { disk, vault, time };
}

async function overwrite(disk: Disk, path: string, text: string): Promise<void> {
  const file = await disk.open(path, { create: true });
  await file.truncate(0);
  await file.write([new TextEncoder().encode(text)], 0);
  await file.datasync();
}

async function content(disk: Disk, path: string): Promise<string> {
  const file = await disk.open(path);
  const bytes = new Uint8Array(file.size());
  file.readSync(bytes, 0);
  return toHex(bytes);
}

/** The code that an open fails with; the lock must be given back. */
async function refusal(disk: Disk): Promise<string> {
  let held = 0;
  const lock = async (): Promise<{ release(): Promise<void> }> => {
    held++;
    return { release: async () => void held-- };
  };
  const { code } = await rejectedBy(openNode(disk, { lock }));
  expect(held).toBe(0);
  return code;
}

describe("a node that is opened again", () => {
  test("is the same one: identity, secrets, cluster, anchors, tips and answers; each life is a term", async () => {
    const disk = new MemoryDisk();
    const first = await openNode(disk);
    const vault = await newVault(first.engine);
    await writeOne(first.engine, vault, [createTuple("doc:1"), setEntity("user:ada", "x")]);
    const ask = { vault, consistency: LINEARIZABLE };
    const facts = async ({ engine }: typeof first) => {
      const { clusterId, clusterOrigin, nodeId } = await engine.call("get_node_info", {});
      const { header, blockHash } = await engine.call("get_tip", ask);
      const { anchor } = await engine.call("get_trust_anchor", { vault });
      const { identity, pageTokenKey } = engine;
      const keys = ["user:ada"];
      const { entities } = await engine.call("read_entities", { ...ask, keys });
      const about = { clusterId, clusterOrigin, nodeId, identity, pageTokenKey };
      return { ...about, header, blockHash, anchor, entities };
    };
    const before = await facts(first);
    const files = await Promise.all(FILES.map((path) => content(disk, path)));
    const reader = await LightReader.of(first.engine, vault);
    await reader.check(first, [tupleOf("doc:1")]);
    for (const [i, close] of [true, false, true].entries()) {
      if (close) await first.engine.close();
      const node = await openNode(disk, { seed: 7 + i, clusterOrigin: "other.example" });
      expect(await facts(node)).toEqual(before);
      expect((await node.engine.call("get_node_info", {})).term).toBe(2 + i);
      expect(await reader.check(node, [tupleOf("doc:1")])).toEqual([true]);
      if (close) await node.engine.close();
    }
    expect(await Promise.all(FILES.map((path) => content(disk, path)))).toEqual(files);
  });

  test("gives slugs that ascend over a restart with a clock that went back", async () => {
    const { disk, time } = await usedDisk();
    const earlier = new TestTime();
    earlier.wallMs = time.wallMs - 5_000;
    const { engine } = await openNode(disk, { time: earlier });
    const { organization } = await engine.call("create_organization", { name: "b", actor: "" });
    const { organizations } = await engine.call("list_organizations", { limit: 9 });
    expect(organizations.at(-1)).toEqual(organization);
  });

  test("replays its whole log when the page store is lost, as long as nothing was released", async () => {
    const { disk, vault } = await usedDisk();
    await disk.remove(STORE_FILE);
    const { engine } = await openNode(disk);
    const tuples = [0, 1, 2, 3].map((i) => tupleOf(`doc:${i}`));
    const { allowed } = await engine.call("check", { vault, consistency: LINEARIZABLE, tuples });
    expect(allowed).toEqual([true, true, true, false]);
  });
});

describe("an open fails", () => {
  test("with DATA_DIR_IN_USE while another process, or this one, holds the directory", async () => {
    const directory = temporaryDirectory();
    const options = { directory, cacheBytes: 1 << 22, logSegmentBytes: 1 << 18 };
    const engine = await openNodeEngine(options, () => undefined);
    const second = await rejectedBy(openNodeEngine(options, () => undefined));
    expect(second.code).toBe("DATA_DIR_IN_USE");
    expect(second.message).toContain(String(process.pid));
    const vault = await newVault(engine);
    applied(await writeOne(engine, vault, [createTuple("doc:1")]));
    await engine.close();
    await using again = await openNodeEngine(options, () => undefined);
    const ask = { vault, consistency: LINEARIZABLE, tuples: [tupleOf("doc:1")] };
    expect((await again.call("check", ask)).allowed).toEqual([true]);
  });

  test.each([
    ["FORMAT_NEWER", '{"format_version": 3}'],
    ["DATA_DIR_INVALID", '{"format_version": 1, "node_id": "1", "incarnation": "00"}'],
    ["DATA_DIR_INVALID", ""],
    ["DATA_DIR_INVALID", "null"],
    ["DATA_DIR_INVALID", "{}"],
    ["DATA_DIR_INVALID", '{"format_version": 0, "node_id": "1", "incarnation": "00"}'],
    ["DATA_DIR_INVALID", '{"format_version": 2, "node_id": "x", "incarnation": "00"}'],
    ["DATA_DIR_INVALID", '{"format_version": 2, "node_id": "1", "incarnation": "00"}'],
  ])("with %s for a node.json of %j, and changes nothing", async (code, text) => {
    const { disk } = await usedDisk();
    const before = await content(disk, STORE_FILE);
    await overwrite(disk, NODE_FILE, text);
    expect(await refusal(disk)).toBe(code);
    expect(await content(disk, STORE_FILE)).toBe(before);
  });

  /**
   * The story: a secret that was missing was made again. A node whose keys were not restored with its data would
   * have signed with new ones, and every client that trusted it would have taken it for a forger.
   */
  test.each(SECRETS)("with DATA_DIR_INVALID when %s is gone or of a wrong size", async (path) => {
    const { disk } = await usedDisk();
    await overwrite(disk, path, "short");
    expect(await refusal(disk)).toBe("DATA_DIR_INVALID");
    await disk.remove(path);
    expect(await refusal(disk)).toBe("DATA_DIR_INVALID");
    expect(await disk.exists(path)).toBe(false);
  });

  test("when the page store is of another node", async () => {
    const { disk } = await usedDisk();
    await disk.remove(NODE_FILE);
    expect(await refusal(disk)).toBe("DATA_DIR_INVALID");
  });

  test("with WAL_CORRUPT when the log is damaged in its middle", async () => {
    const { disk } = await usedDisk(20);
    const [segment] = (await disk.list(`${DIRECTORY}/wal`)).filter((name) => name.endsWith(".seg"));
    // The first batches stand behind the header of the segment; those behind them are good.
    disk.corrupt(`${DIRECTORY}/wal/${segment}`, 3 * 4096 + 200, Uint8Array.of(1));
    expect(await refusal(disk)).toBe("WAL_CORRUPT");
  });

  test("with WAL_CORRUPT when the log is lost or ends before the page store", async () => {
    const { disk } = await usedDisk();
    for (const name of await disk.list(`${DIRECTORY}/wal`)) {
      await disk.remove(`${DIRECTORY}/wal/${name}`);
    }
    expect(await refusal(disk)).toBe("WAL_CORRUPT");
  });

  test("with WAL_CORRUPT when the page store is lost and the log begins behind it", async () => {
    const disk = new MemoryDisk();
    const { engine } = await openNode(disk, { logSegmentBytes: 32 * 1024 });
    const vault = await newVault(engine);
    for (let i = 0; i < 60; i++) await writeOne(engine, vault, [createTuple(`doc:${i}`)]);
    await engine.close();
    const second = await openNode(disk);
    for (let i = 0; i < 60; i++) await writeOne(second.engine, vault, [createTuple(`doc:${i}`)]);
    await second.engine.close();
    await (await openNode(disk)).engine.close();
    await disk.remove(STORE_FILE);
    expect(await refusal(disk)).toBe("WAL_CORRUPT");
  });

  test("with STORE_NO_VALID_SLOT when all superblocks are damaged", async () => {
    const { disk } = await usedDisk();
    for (let page = 0; page < 4; page++)
      disk.corrupt(STORE_FILE, page * 4096 + 20, Uint8Array.of(1));
    expect(await refusal(disk)).toBe("STORE_NO_VALID_SLOT");
  });

  test("with UNKNOWN_OP_CODE for an entry of a later version, however often it is tried", async () => {
    const { disk, time } = await usedDisk();
    const wal = await Wal.open(
      { directory: `${DIRECTORY}/wal`, voters: "one" },
      { disk, clock: time, timers: time, random: new SeededRandom(9) },
    );
    const log = wal.group(groupId(1))!;
    const [index, { term }] = [log.lastIndex + 1, log.hardState];
    const payload = Uint8Array.of(0xff, 0xff, 0, 0);
    await wal.append([{ kind: "entry", group: groupId(1), index, term, payload }]);
    await wal.close();
    for (let i = 0; i < 2; i++) expect(await refusal(disk)).toBe("UNKNOWN_OP_CODE");
  });
});

describe("a first open", () => {
  test("that got no further than its keys is begun again, with those keys", async () => {
    const disk = new MemoryDisk();
    await overwrite(disk, SECRETS[0]!, "x".repeat(32));
    await newVault((await openNode(disk)).engine);
    expect(await content(disk, SECRETS[0]!)).toBe("78".repeat(32));
  });
});
