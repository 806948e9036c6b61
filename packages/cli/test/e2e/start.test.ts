/** The life of a node as a process: ready line, clean stop, held directories and ports, damage, other formats. */

import { createHash } from "node:crypto";
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { temporaryDirectory } from "../../../../test/support.js";
import { cli, cliHere, type Ended, launch, startNode } from "./processes.js";

const TUPLE = "doc:readme#viewer@user:alice";

/** In a segment, behind its header. */
const FIRST_BATCH = 4096;
/** Behind the two superblocks. */
const FIRST_PAGE = 2 * 4096;

/** A data directory with a written tuple, whose node has stopped. */
async function usedDirectory(signal: NodeJS.Signals): Promise<{ data: string; env: Env }> {
  const data = join(temporaryDirectory(), "data");
  const node = await startNode(data);
  const env = await tenantOf(node.grpc);
  const written = await cliHere(["tuple", "write", TUPLE], { env });
  expect(written.end).toBe(0);
  await node.end(signal);
  return { data, env };
}

type Env = Readonly<Record<string, string>>;

async function tenantOf(grpc: string): Promise<Env> {
  const base = { AUTHLEDGER_ENDPOINT: grpc };
  const org = (await cliHere(["org", "create", "acme", "-o", "name"], { env: base })).out.trim();
  const named = { ...base, AUTHLEDGER_ORG: org };
  const vault = await cliHere(["vault", "create", "main", "-o", "name"], { env: named });
  return { ...named, AUTHLEDGER_VAULT: vault.out.trim() };
}

/** What `check` says about the tuple on a node that runs. */
async function checkAt(grpc: string, env: Env): Promise<string> {
  const told = { ...env, AUTHLEDGER_ENDPOINT: grpc };
  return (await cliHere(["check", TUPLE, "-o", "name"], { env: told })).out.trim();
}

function startToEnd(data: string, ...more: string[]): Promise<Ended> {
  const any = "127.0.0.1:0";
  return cli(["start", "--data", data, "--listen", any, "--http", any, ...more]);
}

describe("start", () => {
  it("prints one line when it serves, logs to standard error, and ends with 0 on SIGTERM and on SIGINT", async () => {
    const data = join(temporaryDirectory(), "data");
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      const node = await startNode(data);
      expect((await fetch(`http://${node.http}/readyz`)).status).toBe(200);
      const { end, out, err } = await node.end(signal);
      expect([end, out.trim().split("\n").length]).toEqual([0, 1]);
      const messages = err
        .trim()
        .split("\n")
        .map((line) => (JSON.parse(line) as { msg: string }).msg);
      expect(messages).toEqual(["ready", "stopping", ...Array(6).fill("stopping"), "stopped"]);
    }
  });

  it("keeps what was written over a clean stop and over SIGKILL", async () => {
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      const { data, env } = await usedDirectory(signal);
      const node = await startNode(data);
      expect(await checkAt(node.grpc, env)).toBe("allowed");
    }
  });

  it("of a second node on a directory that is held names the holder and exits with 5; the first goes on", async () => {
    const data = join(temporaryDirectory(), "data");
    const node = await startNode(data);
    const second = await startToEnd(data);
    expect(second).toMatchObject({ end: 5, out: "" });
    expect(second.err).toMatch(/^error\[DATA_DIR_IN_USE\]/);
    expect(second.err).toContain(`process ${node.pid}`);
    const check = await cli(["debug", "check", "--data", data]);
    expect([check.end, check.err.split(":")[0]]).toEqual([5, "error[DATA_DIR_IN_USE]"]);
    expect((await fetch(`http://${node.http}/livez`)).status).toBe(200);
  });

  it("on a port that is taken names who has it", async () => {
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, "127.0.0.1", resolve));
    const { port } = holder.address() as { port: number };
    const data = join(temporaryDirectory(), "data");
    for (const flag of ["--listen", "--http"]) {
      const { end, err } = await startToEnd(data, flag, `127.0.0.1:${port}`);
      expect(end).toBe(2);
      expect(err).toContain(`127.0.0.1:${port}`);
      if (process.platform === "linux") expect(err).toContain(`process ${process.pid}`);
    }
    holder.close();
  });

  it("refuses a directory of a newer format and one that is none", async () => {
    const { data } = await usedDirectory("SIGTERM");
    const file = join(data, "node.json");
    const newer = JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>;
    writeFileSync(file, JSON.stringify({ ...newer, format_version: 99 }));
    const refused = await startToEnd(data);
    expect(refused.err).toMatch(/^error\[FORMAT_NEWER\].*99/);
    writeFileSync(file, "{");
    expect((await startToEnd(data)).err).toMatch(/^error\[DATA_DIR_INVALID\]/);
    const none = await cli(["debug", "check", "--data", temporaryDirectory()]);
    expect(none.err).toMatch(/^error\[DATA_DIR_INVALID\]/);
  });
});

describe("debug check", () => {
  it("finds a stopped directory whole, also after SIGKILL, and changes nothing", async () => {
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      const { data } = await usedDirectory(signal);
      const before = filesOf(data);
      const { end, out, err } = await cli(["debug", "check", "--data", data, "-o", "json"]);
      expect([end, err]).toEqual([0, ""]);
      expect(JSON.parse(out)).toMatchObject({ result: "ok", problems: [] });
      expect(filesOf(data)).toEqual(before);
    }
  });

  it("finds every damaged page, and the node does not serve what it cannot read", async () => {
    const { data } = await usedDirectory("SIGTERM");
    const store = join(data, "groups", "1", "state.db");
    const bytes = readFileSync(store);
    for (let at = FIRST_PAGE + 100; at < bytes.length; at += 4096) bytes[at]! ^= 0xff;
    writeFileSync(store, bytes);
    const { end, out, err } = await cli(["debug", "check", "--data", data, "-o", "json"]);
    expect(end).toBe(8);
    expect(err).toMatch(/^damaged: .*state\.db: slot [AB], page [0-9]+/m);
    expect(JSON.parse(out)).toMatchObject({ result: "damaged" });
    const started = await startToEnd(data);
    expect(started).toMatchObject({ end: 8, out: "" });
    expect(started.err).toMatch(/^error\[STORE_/);
  });

  it("tells a torn end of the log, which a start cuts, from a damaged middle, which it refuses", async () => {
    const { data, env } = await usedDirectory("SIGKILL");
    const damaged = `${data}-damaged`;
    cpSync(data, damaged, { recursive: true });
    const wal = join(damaged, "wal");
    const segment = readdirSync(wal).find((name) => name.startsWith("wal-")) ?? "";
    const bytes = readFileSync(join(wal, segment));
    bytes[FIRST_BATCH + 40]! ^= 0xff;
    writeFileSync(join(wal, segment), bytes);
    const found = await cli(["debug", "check", "--data", damaged]);
    expect(found.err).toMatch(/damaged: log: /);
    expect(found.end).toBe(8);
    const started = await startToEnd(damaged);
    expect(started.err).toMatch(/^error\[WAL_CORRUPT\]/);
    expect(started.end).toBe(8);
    const node = await startNode(data);
    expect(await checkAt(node.grpc, env)).toBe("allowed");
  });
});

describe("quickstart", () => {
  it("imports, checks, proves and says so; a second start finds the data and its anchor", async () => {
    const directory = join(temporaryDirectory(), "quick");
    const args = ["quickstart", "--once", "--limit", "3000", "--data", directory, "-o", "json"];
    const first = await cli(args);
    expect([first.end, first.err]).toEqual([0, expect.stringContaining("new data")]);
    const verdict = JSON.parse(first.out) as Record<string, unknown>;
    expect(verdict).toMatchObject({ verdict: "verified" });
    expect(verdict["tuples"]).toBeGreaterThan(2_900);
    expect(verdict["list_entries"]).toBeGreaterThan(0);
    const second = await cli(args);
    expect(second.err).toContain("imported at an earlier start");
    expect(JSON.parse(second.out)).toEqual({ ...verdict });
    expect(existsSync(join(directory, "env"))).toBe(true);
  });

  // An import that was cut off between two folders was once remembered as the whole.
  it("that is interrupted in its import gives no verdict, and the next start imports all of it", async () => {
    const directory = join(temporaryDirectory(), "quick");
    const args = ["quickstart", "--once", "--limit", "20000", "--data", directory, "-o", "json"];
    const { child, ended, output } = launch(args);
    while (!output.err.includes("importing") && child.exitCode === null) await sleep(2);
    child.kill("SIGINT");
    const { end, out, err } = await ended;
    expect([end, out]).toEqual([6, ""]);
    expect(err).toMatch(/^error\[CANCELLED\]/m);
    expect(readFileSync(join(directory, "ledger.json"), "utf8")).not.toContain("imported");
    const again = await cli(args);
    expect(again.end).toBe(0);
    expect(JSON.parse(again.out)).toMatchObject({ verdict: "verified" });
    expect((JSON.parse(again.out) as { tuples: number }).tuples).toBeGreaterThan(19_000);
  });

  it("ends with 7 when the data is not that of its anchor", async () => {
    const directory = join(temporaryDirectory(), "quick");
    const args = ["quickstart", "--once", "--limit", "200", "--data", directory];
    expect((await cli(args)).end).toBe(0);
    const file = join(directory, "anchor.json");
    const anchor = JSON.parse(readFileSync(file, "utf8")) as { genesis: string };
    const genesis = anchor.genesis.replace(/^./, (digit) => (digit === "0" ? "1" : "0"));
    writeFileSync(file, JSON.stringify({ ...anchor, genesis }));
    const { end, err } = await cli(args);
    expect(end).toBe(7);
    expect(err).toMatch(/^error\[/m);
  });
});

/** Every file with its digest; the lock's own file is the holder's business. */
function filesOf(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== "LOCK")
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => `${path} ${createHash("sha256").update(readFileSync(path)).digest("hex")}`)
    .sort();
}
