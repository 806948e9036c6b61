/** `authledger dev` for somebody with a web page or with curl: Connect beside gRPC, for the pages that are named. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ExitCode } from "@authledger/types";
import { expect, it } from "vitest";
import { temporaryDirectory } from "../../../../test/support.js";
import { cliHere, launch, startNode } from "./processes.js";

const PAGE = "http://localhost:5173";

it("dev serves Connect on loopback, to curl and to the pages that it was told, and to no other page", async () => {
  const args = ["dev", "--data", join(temporaryDirectory(), "dev"), "--no-keep-context"];
  const { child, output, ended } = launch([...args, "-o", "json", "--cors-origin", PAGE]);
  while (!output.err.includes("Ctrl-C stops")) {
    if (child.exitCode !== null) throw new Error(output.err);
    await sleep(20);
  }
  const made = JSON.parse(output.out) as Record<string, string>;
  const { connect, organization, vault } = made;
  expect(connect).toMatch(/^http:\/\/127\.0\.0\.1:[0-9]+$/);
  expect(made["pages"]).toBe(PAGE);
  const ask = (headers: Readonly<Record<string, string>>): Promise<Response> =>
    fetch(`${connect}/authledger.v1.ReadService/Check`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify({
        ...{ organization, vault },
        tuple: { resource: "doc:readme", relation: "viewer", subject: "user:alice" },
      }),
    });
  const curl = await ask({});
  expect([curl.status, await curl.json()]).toEqual([
    200,
    expect.objectContaining({ allowed: false }),
  ]);
  const named = await ask({ origin: PAGE });
  expect([named.status, named.headers.get("access-control-allow-origin")]).toEqual([200, PAGE]);
  for (const origin of ["http://localhost:5174", "https://evil.example", connect!]) {
    const other = await ask({ origin });
    expect([other.status, other.headers.get("access-control-allow-origin")]).toEqual([403, null]);
  }
  child.kill("SIGINT");
  expect((await ended).end).toBe(0);
});

// A second start on other ports could not have the data, and left a file behind that made three nodes of the one that ran, and an
// empty log.
it("dev writes nothing into a directory that another dev, or a node, has", async () => {
  const data = join(temporaryDirectory(), "dev");
  const { child, output, ended } = launch(["dev", "--data", data, "--no-keep-context"]);
  while (!output.err.includes("Ctrl-C stops")) {
    if (child.exitCode !== null) throw new Error(output.err);
    await sleep(20);
  }
  const log = readFileSync(join(data, "node.log"), "utf8");
  const refused = async (holder: number | undefined): Promise<void> => {
    const { end, out, err } = await cliHere(["dev", "--data", data, "--nodes", "3"]);
    expect([end, out]).toEqual([ExitCode.CONFLICT, ""]);
    expect(err).toContain(`is held by process ${holder} on`);
    expect(err).not.toContain("looking further");
    expect(existsSync(join(data, "nodes.json"))).toBe(false);
    expect(readFileSync(join(data, "node.log"), "utf8").startsWith(log)).toBe(true);
  };
  await refused(child.pid);
  child.kill("SIGINT");
  expect((await ended).end).toBe(0);
  const node = await startNode(join(data, "node"));
  await refused(node.pid);
  await node.end("SIGTERM");
});

it.each([
  ["https://app.example", /is not a page of this machine/],
  ["http://localhost.example", /is not a page of this machine/],
  ["http://127.evil.example", /is not a page of this machine/],
  ["http://192.168.1.7:5173", /is not a page of this machine/],
  ["null", /is not an origin/],
  ["*", /is not an origin/],
  ["localhost:5173", /is not an origin; http:\/\/localhost:5173 is one/],
  ["http://localhost:5173/", /is not an origin; http:\/\/localhost:5173 is one/],
])("dev lets no page in that is not of this machine: %s", async (origin, message) => {
  const data = join(temporaryDirectory(), "dev");
  const { end, out, err } = await cliHere(["dev", "--data", data, "--cors-origin", origin]);
  expect([end, out]).toEqual([ExitCode.USAGE, ""]);
  expect(err).toMatch(message);
});
