/** The examples run, on a real node, and print what they say. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogger, parseNodeConfig, type RunningNode, startNode } from "@authledger/server";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { createClient } from "../src/index.js";

const EXAMPLES = new URL("../examples/", import.meta.url);
/** What each prints. */
const PRINTED: Readonly<Record<string, readonly (string | RegExp)[]>> = {
  "write-and-check": [
    /^block \d+: created, created$/,
    "may alice view the budget? true",
    "may bob view the budget? false",
  ],
  "verified-check": [
    /^allowed: true, proven at height \d+$/,
    "allowed: false, and that nothing is stored is proven too",
  ],
  "many-at-once": ["100 of 100 are viewers", "0 are owners", "applied, applied"],
  lists: [
    "250 may view the folder",
    ...[/^a page of 100 /, /^a page of 100 /, /^a page of 50 /],
    '["folder:shared#viewer"]',
    "250",
  ],
  "compare-and-set": ["counted 1, 2, 3, 4, 5"],
  lock: ["mine: true, theirs: false", "after the first one expired: true"],
  watch: ["live: user:alice", "live: user:bob"],
  production: [/^allowed: (true|false)$/, /^127\.0\.0\.1:\d+: closed$/],
  "test-with-fake": ["a link ends, and only owners share"],
};

const directory = mkdtempSync(join(tmpdir(), "authledger-examples-"));
let node: RunningNode;

beforeAll(async () => {
  const loopback = { listen: "127.0.0.1:0", http: "127.0.0.1:0", cache: "16MiB" };
  const data = join(directory, "data");
  node = await startNode(parseNodeConfig({ ...loopback, data }), {
    version: "0.0.0-test",
    logger: createLogger("silent", () => undefined),
    onFatal: (error) => {
      throw error;
    },
  });
  await using client = createClient({ endpoints: node.grpcAddress });
  const { slug: organization } = await client.admin.createOrganization("examples");
  const { slug: vault } = await client.admin.createVault({ organization, name: "main" });
  const anchor = join(directory, "anchor");
  writeFileSync(anchor, await client.admin.getTrustAnchor({ organization, vault }));
  vi.stubEnv("AUTHLEDGER_ENDPOINT", node.grpcAddress);
  vi.stubEnv("AUTHLEDGER_ORG", String(organization));
  vi.stubEnv("AUTHLEDGER_VAULT", String(vault));
  vi.stubEnv("AUTHLEDGER_ANCHOR", anchor);
  vi.stubEnv("AUTHLEDGER_PINS", join(directory, "pins"));
});

afterAll(async () => {
  vi.unstubAllEnvs();
  await node.close();
  rmSync(directory, { recursive: true, force: true });
});

it("are all run here", () => {
  const files = readdirSync(EXAMPLES).filter((file) => file.endsWith(".ts"));
  const names = files.map((file) => file.replace(".ts", ""));
  expect(names.filter((name) => name !== "environment").sort()).toEqual(
    Object.keys(PRINTED).sort(),
  );
});

it.each(Object.entries(PRINTED))("%s prints what it says", async (name, expected) => {
  const lines: string[] = [];
  const log = vi.spyOn(console, "log").mockImplementation((line: unknown) => {
    lines.push(typeof line === "string" ? line : JSON.stringify(line));
  });
  try {
    await import(new URL(`${name}.ts`, EXAMPLES).href);
  } finally {
    log.mockRestore();
  }
  expect(lines).toHaveLength(expected.length);
  expected.forEach((line, i) => {
    if (typeof line === "string") expect(lines[i]).toBe(line);
    else expect(lines[i]).toMatch(line);
  });
});
