/** The blocks of TypeScript in the top README and in the SDK's do what they say: on a node the first, the others on a fake ledger. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createLogger, parseNodeConfig, startNode } from "@authledger/server";
import ts from "typescript";
import { expect, it, onTestFinished } from "vitest";
import { temporaryDirectory } from "../../../test/support.js";
import { createFakeLedger } from "../src/fake/index.js";
import * as sdk from "../src/index.js";

const ROOT = new URL("../../../", import.meta.url);

/** The blocks of a README, in order. */
function blocksOf(path: string): string[] {
  const text = readFileSync(new URL(path, ROOT), "utf8");
  return [...text.matchAll(/^```ts\n([\s\S]*?)^```/gm)].map(([, block]) => block!);
}

/**
 * Runs a block as the body of a function to which everything that it imports or takes for granted is given.
 * @returns the names that it exports or declares as asked for, and what it printed
 */
async function run(
  block: string,
  given: Readonly<Record<string, unknown>>,
  result = "undefined",
): Promise<{ result: unknown; printed: unknown[][] }> {
  const printed: unknown[][] = [];
  const console = { log: (...line: unknown[]) => void printed.push(line) };
  const body = block.replace(/^import .*$/gm, "").replace(/^export /gm, "");
  const source = `export const made = async () => { ${body}\nreturn ${result}; };`;
  const { outputText } = ts.transpileModule(source, {
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
  });
  const names = { ...sdk, createFakeLedger, assert, console, ...given };
  const code = `${outputText.replace("export const made", "const made")}\nreturn made();`;
  const made: unknown = new Function(...Object.keys(names), code)(...Object.values(names));
  return { result: await made, printed };
}

/** What a block that connects to a node gets instead. */
function onFake(): Readonly<Record<string, unknown>> {
  const ledger = createFakeLedger();
  const directory = temporaryDirectory();
  return {
    anchor: ledger.anchor(),
    createClient: ({ verify }: sdk.ClientOptions) => ledger.client({ verify }),
    FileRoots: class extends sdk.FileRoots {
      constructor(path: string) {
        super(join(directory, path));
      }
    },
  };
}

/** A node on which the README's model is active and its folder is written. */
async function onNode(): Promise<Readonly<Record<string, unknown>>> {
  const data = temporaryDirectory();
  const any = "127.0.0.1:0";
  const config = { listen: any, http: any, cache: "16MiB", data: join(data, "node") };
  const node = await startNode(parseNodeConfig(config), {
    version: "0.0.0-test",
    logger: createLogger("silent", () => undefined),
    onFatal: (error) => {
      throw error;
    },
  });
  onTestFinished(() => node.close());
  const endpoints = node.grpcAddress;
  const { admin } = sdk.createClient({ endpoints });
  const { slug: organization } = await admin.createOrganization("readme");
  const { slug: vault } = await admin.createVault({ organization, name: "main" });
  const tenant = { organization, vault };
  const client = sdk.createClient({ endpoints, tenant });
  const store = readFileSync(new URL("docs/examples/documents.fga.yaml", ROOT), "utf8");
  const [, model] = /^model: \|\n((?: {2}.*\n|\n)+)/m.exec(store)!;
  await client.models.deploy(model!.replace(/^ {2}/gm, ""), { activate: true });
  await client.write([
    sdk.createTuple("folder:plans#viewer@group:eng#member"),
    sdk.createTuple("doc:roadmap#parent@folder:plans"),
  ]);
  return {
    anchor: await admin.getTrustAnchor(tenant),
    createClient: ({ verify }: sdk.ClientOptions) =>
      sdk.createClient({ endpoints, tenant, verify }),
    FileRoots: class extends sdk.FileRoots {
      constructor(path: string) {
        super(join(data, path));
      }
    },
  };
}

it("the block of the top README prints that bob may, and the trusted root", async () => {
  const [block, ...others] = blocksOf("README.md");
  expect(others).toEqual([]);
  expect(block!.trim().split("\n").length).toBeLessThanOrEqual(15);
  const { printed } = await run(block!, await onNode());
  expect(printed).toEqual([[true, expect.any(Uint8Array)]]);
});

it("the blocks of the SDK's README do what they say", async () => {
  const [share, conflict, fake, ...others] = blocksOf("packages/sdk/README.md");
  expect(others).toEqual([]);
  const given = onFake();
  const { result } = await run(share!, given, "share(anchor)");
  expect(result).toBe(true);
  const client = createFakeLedger().client();
  await client.write([sdk.setEntity("config:main", "1")]);
  const { printed } = await run(conflict!, { client });
  expect(printed).toEqual([["somebody was faster: version 1"]]);
  await run(fake!, {});
});
