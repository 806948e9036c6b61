/** The client over Connect: in Node with its fetch, as a bundle, and in a real browser where there is one. */
import { fileURLToPath } from "node:url";
import { createLogger, parseNodeConfig, startNode } from "@authledger/server";
import { describe, expect, onTestFinished, test } from "vitest";
import { CHROMIUM, sayWithoutChromium } from "../../../../test/chromium.js";
import { rejectedBy, temporaryDirectory } from "../../../../test/support.js";
import { createClient } from "../../src/connect/index.js";
import { createClient as createGrpcClient } from "../../src/create-client.js";
import { createTuple, MemoryRoots } from "../../src/index.js";
import { bundle } from "./bundle.js";
import { startSite } from "./chromium.js";
import { startLiar } from "./liar.js";
import { type Findings, type Setting, scenario } from "./scenario.js";

/** Of everything the library can do, minified: what one page pays once. */
const BUNDLE_KB_MAX = 950;
const GZIP_KB_MAX = 210;

const EXPECTED: Findings = {
  height: "1",
  verified: [true, false],
  watched: "1",
  refused: "VAULT_NOT_FOUND",
  lie: "PROOF_INVALID",
  unreachable: "UNAVAILABLE",
  pinned: true,
};

async function startLedger(corsOrigins: readonly string[] = []): Promise<Setting> {
  const any = "127.0.0.1:0";
  const about = { listen: any, http: any, connect: any, corsOrigins, cache: "16MiB" };
  const config = parseNodeConfig({ ...about, data: temporaryDirectory(), shutdownGrace: "500ms" });
  const node = await startNode(config, {
    version: "0.0.0-test",
    logger: createLogger("silent", () => undefined),
    onFatal: () => undefined,
  });
  onTestFinished(() => node.close());
  const { admin, close } = closable(createGrpcClient({ endpoints: node.grpcAddress }));
  const { slug: organization } = await admin.createOrganization("acme");
  const { slug: vault } = await admin.createVault({ organization, name: "main" });
  const anchor = await admin.getTrustAnchor({ organization, vault });
  close();
  const endpoint = node.connectAddress!;
  const tenant = { organization: String(organization), vault: String(vault) };
  return { endpoint, liar: await startLiar(endpoint), tenant, anchor };
}

function closable(client: ReturnType<typeof createGrpcClient>) {
  return { admin: client.admin, close: () => client.close() };
}

describe("the client over Connect", () => {
  test("INV-CONNECT-4: writes, checks, watches and verifies as over gRPC, and refuses a changed proof", async () => {
    const pinnedRoots = new MemoryRoots();
    const tools = { createClient, createTuple, pinnedRoots };
    expect(await scenario(tools, await startLedger())).toEqual(EXPECTED);
  });

  test("takes its deadline, and an end by the caller, as over gRPC", async () => {
    const { endpoint, tenant } = await startLedger();
    const client = createClient({ endpoints: endpoint, tenant });
    const ended = new AbortController();
    const watching = (async () => {
      for await (const _ of client.watchBlocks({ from: 0n, signal: ended.signal })) ended.abort();
    })();
    expect((await rejectedBy(watching)).code).toBe("CANCELLED");
    const signal = AbortSignal.abort();
    const given = await rejectedBy(client.check("a:b#c@d:e", { signal }));
    expect(given.code).toBe("CANCELLED");
    client.close();
  });

  test("leaves certificates to the browser, and tokens off plaintext", async () => {
    const tenant = { organization: 1n, vault: 1n };
    const endpoints = "ledger.example:443";
    const pem = createClient({ endpoints, tenant, tls: { ca: "-----BEGIN CERTIFICATE-----" } });
    expect((await rejectedBy(pem.check("a:b#c@d:e"))).code).toBe("INVALID_ARGUMENT");
    const open = createClient({ endpoints, tenant, token: "secret" });
    expect((await rejectedBy(open.check("a:b#c@d:e"))).message).toContain("plaintext");
  });
});

const PROGRAM = `
  import { createClient, createTuple, IndexedDbRoots } from "@authledger/sdk";
  import { scenario } from ${JSON.stringify(fileURLToPath(new URL("scenario.ts", import.meta.url)))};
  const { setting } = globalThis;
  const tools = { createClient, createTuple, pinnedRoots: new IndexedDbRoots() };
  const first = await scenario(tools, setting).catch((error) => String(error.stack));
  const kept = await new IndexedDbRoots().load(setting.tenant.organization + "-" + setting.tenant.vault);
  await fetch("/report", { method: "POST", body: JSON.stringify({ first, kept: typeof kept }) });
`;

describe("the library for browsers", () => {
  test("is one file that needs nothing of Node, within its budget", async () => {
    const all = await bundle('import * as sdk from "@authledger/sdk"; globalThis.sdk = sdk;');
    const [kB, gzipKB] = [all.bytes / 1_000, all.gzipBytes / 1_000];
    process.stderr.write(
      `bundle: ${kB.toFixed(0)} kB minified, ${gzipKB.toFixed(0)} kB with gzip\n`,
    );
    expect(all.imports).toEqual([]);
    expect(all.code).not.toMatch(/["'`]node:|@grpc\/grpc-js/);
    expect(kB).toBeLessThan(BUNDLE_KB_MAX);
    expect(gzipKB).toBeLessThan(GZIP_KB_MAX);
  });

  sayWithoutChromium("the library in a browser");
  test.skipIf(CHROMIUM === undefined)(
    "INV-ROOTS-2: does the same in a real browser, with its pinned roots in IndexedDB",
    async () => {
      const site = await startSite();
      const setting = await startLedger([site.origin]);
      const { code } = await bundle(PROGRAM);
      const found = await site.visit(`globalThis.setting = ${JSON.stringify(setting)};\n${code}`);
      expect(found).toEqual({ first: EXPECTED, kept: "string" });
    },
    60_000,
  );
});
