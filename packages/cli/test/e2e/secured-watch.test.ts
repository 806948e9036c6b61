/** Watches of somebody whose key is taken back: they go on for as long as the key is good, and no longer. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { temporaryDirectory } from "../../../../test/support.js";
import { cliHere, launch, startNode } from "./processes.js";

it("INV-AUTHN-10: a watch ends when its key is revoked, though the roles of the key are still written down", async () => {
  const data = join(temporaryDirectory(), "data");
  const { grpc } = await startNode(data, ["--auth"]);
  const root = readFileSync(join(data, "root.key"), "utf8").trim();
  const base = { AUTHLEDGER_ENDPOINT: grpc, AUTHLEDGER_TOKEN: root };
  const run = async (command: string, env = base): Promise<string> => {
    const { end, out, err } = await cliHere(command.split(" "), { env });
    expect([command, end, end === 0 ? "" : err]).toEqual([command, 0, ""]);
    return out.trim();
  };
  const org = await run("org create acme -o name");
  const vault = await run(`vault create main --org ${org} -o name`);
  const tenant = `--org ${org} --vault ${vault}`;
  const key = await run("key create reader --field key -q");
  const principal = await run("whoami -o name", { ...base, AUTHLEDGER_TOKEN: key });
  await run(`role grant ${principal} reader ${tenant}`);

  const watching = launch(["tuple", "watch", "--from", "1", ...tenant.split(" ")], {
    ...base,
    AUTHLEDGER_TOKEN: key,
  });
  await run(`tuple write doc:first#viewer@user:ann ${tenant}`);
  await expect.poll(() => watching.output.out, { timeout: 20_000 }).toContain("doc:first");
  await run(`key revoke ${principal.slice("key:".length)} --yes`);
  const { end, out, err } = await watching.ended;
  expect(end).toBe(4);
  expect(err).toMatch(/error\[UNAUTHENTICATED\]/);
  expect(out).toContain("doc:first");
});
