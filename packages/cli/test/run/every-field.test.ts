/** Each field of a node's configuration, from each place that it may come from. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  CONFIG_FIELDS,
  configVariable,
  type NodeConfig,
  parseNodeConfig,
} from "@authledger/server";
import { Command } from "commander";
import { describe, expect, it } from "vitest";
import { temporaryDirectory } from "../../../../test/support.js";
import { addStartCommand } from "../../src/commands/start.js";
import { configSourcesOf } from "../../src/commands/start-node.js";
import type { CommandFrame } from "../../src/run/command.js";
import { nodeConfigOf } from "../../src/run/node-config.js";
import type { Flags, Run } from "../../src/run/run.js";

const MiB = 1024 * 1024;
const ISSUERS = ["a", "b"].map((alias) => ({
  ...{ issuer: `https://${alias}.example`, audience: "ledger", keys: `${alias}.json`, alias },
}));

/** Each has a value that is not its default, and how that is written as text where it is not as it is shown. */
const GIVEN: Readonly<Record<string, readonly [value: unknown, text?: string]>> = {
  data: ["/srv/ledger"],
  listen: ["10.0.0.1:8400"],
  http: ["10.0.0.1:8402"],
  connect: ["10.0.0.1:8403"],
  corsOrigins: [["https://one.example", "https://two.example"]],
  insecureAnyAddress: [true],
  cache: [64 * MiB, "64MiB"],
  clusterOrigin: ["ledger.example"],
  streamsPerConnection: [7],
  otlpEndpoint: ["http://127.0.0.1:4318"],
  auditLog: ["audit.log"],
  auditLogBytes: [2 * MiB, "2MiB"],
  auditLogFiles: [3],
  connectionsMax: [9],
  peer: ["127.0.0.1:8401"],
  join: ["127.0.0.1:9401"],
  expect: [3],
  name: ["n1"],
  advertisePeer: ["10.0.0.1:8401"],
  advertiseClient: ["10.0.0.1:8400"],
  peerCert: ["peer.crt"],
  peerKey: ["peer.key"],
  peerCa: ["peer-ca.pem"],
  logKeepEntries: [77],
  logKeepBytes: [3 * MiB, "3MiB"],
  auth: [true],
  tlsCert: ["tls.crt"],
  tlsKey: ["tls.key"],
  tlsCa: ["tls-ca.pem"],
  clientCa: ["client-ca.pem"],
  clientCert: ["optional"],
  jwt: [ISSUERS, ISSUERS.map(issuerText).join(";")],
  insecurePlaintext: [true],
  rateNodeReads: [11],
  rateNodeWrites: [12],
  rateClientReads: [13],
  rateClientWrites: [14],
  rateOrganizationReads: [15],
  rateOrganizationWrites: [16],
  rateBurst: [3_000, "3s"],
  overloadTurn: [26, "26ms"],
  overloadWriteWait: [501, "501ms"],
  deadlineWrites: [6, "6ms"],
  deadlineMax: [61_000, "61s"],
  hotKeyRate: [1_001],
  logLevel: ["warn"],
  logSlow: [251, "251ms"],
  logReadRate: [0.02],
  logWriteRate: [0.2],
  logVipRate: [0.6],
  logVip: ["user:ann,7"],
  auditRetention: [86_400_000, "1d"],
  traceRate: [0.03],
  shutdownGrace: [11_000, "11s"],
  preStopDelay: [1_000, "1s"],
  scrubHours: [25],
};
/** The command line has no flag for them. */
const NO_FLAG = ["streamsPerConnection", "shutdownGrace", "preStopDelay"];
/** Where a flag is not called as its field. */
const FLAGS: Readonly<Record<string, string>> = { corsOrigins: "corsOrigin" };

function issuerText(fields: object): string {
  return Object.entries(fields)
    .map(([name, value]) => `${name}=${value}`)
    .join(",");
}

function textOf(name: string): string {
  const [value, text] = GIVEN[name]!;
  return text ?? String(value);
}

/** Every field with its value, however it is kept. */
function valuesOf({ runtime, ...fixed }: NodeConfig): Readonly<Record<string, unknown>> {
  return { ...fixed, ...runtime };
}

/** What `authledger start` makes of its command line. */
async function configOf(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Readonly<Record<string, unknown>>> {
  let flags: Flags = {};
  const handle = (command: Command): Command =>
    command.action(() => {
      flags = command.opts<Flags>();
    });
  const program = new Command();
  addStartCommand(program, { handle } as unknown as CommandFrame);
  await program.parseAsync(["start", ...args], { from: "user" });
  const io = { env } as unknown as Run["io"];
  return valuesOf(await nodeConfigOf(configSourcesOf({ flags, io })));
}

function argumentsOf(name: string): readonly string[] {
  const flag = (FLAGS[name] ?? name).replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const [value] = GIVEN[name]!;
  if (value === true) return [`--${flag}`];
  const texts = name === "jwt" ? ISSUERS.map(issuerText) : value;
  const all = Array.isArray(texts) ? texts.map(String) : [textOf(name)];
  return all.flatMap((text) => [`--${flag}`, text]);
}

const EXPECTED = Object.fromEntries(Object.entries(GIVEN).map(([name, [value]]) => [name, value]));

function configFile(): string {
  const path = join(temporaryDirectory(), "node.json");
  writeFileSync(path, JSON.stringify(EXPECTED));
  return path;
}

// The list of issuers that no flag had named was an empty one and went before the file's: a node whose file named an issuer
// served everybody.
describe("every field of a node's configuration arrives", () => {
  it("as all of them are given here, and none as it is by default", () => {
    expect(Object.keys(GIVEN).sort()).toEqual([...CONFIG_FIELDS].sort());
    const usual = valuesOf(parseNodeConfig({}));
    for (const [name, [value]] of Object.entries(GIVEN)) expect(usual[name]).not.toEqual(value);
  });

  it("from a file, where no flag is given", async () => {
    expect(await configOf(["--config", configFile()])).toEqual(EXPECTED);
  });

  it("from the environment", async () => {
    const env = CONFIG_FIELDS.map((name) => [configVariable(name), textOf(name)] as const);
    expect(await configOf([], Object.fromEntries(env))).toEqual(EXPECTED);
  });

  it("from flags", async () => {
    const args = CONFIG_FIELDS.filter((name) => !NO_FLAG.includes(name)).flatMap(argumentsOf);
    const rest = Object.fromEntries(NO_FLAG.map((name) => [configVariable(name), textOf(name)]));
    expect(await configOf(args, rest)).toEqual(EXPECTED);
  });

  it("of a file, also where a flag says something about another one", async () => {
    const file = ["--config", configFile()];
    for (const name of CONFIG_FIELDS) {
      if (NO_FLAG.includes(name)) continue;
      expect(await configOf([...file, ...argumentsOf(name)])).toEqual(EXPECTED);
    }
  });
});

it.each(["https://login.example", "issuer=a,audience", "a;b"])(
  "AUTHLEDGER_JWT=%s is refused",
  async (text) => {
    await expect(configOf([], { AUTHLEDGER_JWT: text })).rejects.toMatchObject({
      ...{ code: "USAGE", details: { field: "jwt" } },
    });
  },
);
