/** A node with credentials, walked through as its operator and two tenants do. */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { temporaryDirectory } from "../../../../test/support.js";
import { cliHere, type Ended, startNode } from "./processes.js";

type Json = Readonly<Record<string, string>>;
type As = (token: string, command: string) => Promise<Ended>;

const TUPLE = "doc:a#viewer@user:ann";

async function setUp(): Promise<{
  readonly data: string;
  readonly root: string;
  readonly as: As;
  json(token: string, command: string): Promise<Json>;
  end(): Promise<Ended>;
}> {
  const data = join(temporaryDirectory(), "data");
  const node = await startNode(data, ["--auth", "--log-read-rate", "1", "--log-write-rate", "1"]);
  const as: As = (token, command) => {
    const env = { AUTHLEDGER_ENDPOINT: node.grpc, AUTHLEDGER_TOKEN: token };
    return cliHere(command.split(" "), { env });
  };
  const json = async (token: string, command: string): Promise<Json> => {
    const { end, out, err } = await as(token, `${command} -o json -q`);
    expect([end, err]).toEqual([0, ""]);
    return JSON.parse(out) as Json;
  };
  const root = readFileSync(join(data, "root.key"), "utf8").trim();
  return { data, root, as, json, end: () => node.end("SIGTERM") };
}

/** An organization with a vault, and flags that name them. */
async function tenantOf(json: (command: string) => Promise<Json>, name: string): Promise<string> {
  const org = (await json(`org create ${name}`))["slug"];
  const vault = (await json(`vault create main --org ${org}`))["slug"];
  return `--org ${org} --vault ${vault}`;
}

it("roles that are given by command let a key in where they say, and nowhere else, until they are taken away; nothing tells a secret", async () => {
  const { data, root, as, json, end } = await setUp();
  const asRoot = (command: string): Promise<Json> => json(root, command);
  const [acme, globex] = [await tenantOf(asRoot, "acme"), await tenantOf(asRoot, "globex")];
  const { key = "", principal = "" } = await asRoot("key create billing");
  expect((await as(key, `tuple write ${TUPLE} ${acme}`)).end).toBe(4);

  const given = await asRoot(`role grant ${principal} writer ${acme} --reason billing`);
  expect(given).toMatchObject({ principal, role: "writer" });
  expect(await json(key, "whoami")).toEqual({ principal, kind: "key" });
  expect((await as(key, `tuple write ${TUPLE} ${acme}`)).end).toBe(0);
  const changes = await as(key, `tuple changes --from 1 -o json ${acme}`);
  expect(changes.out).toContain(`"actor":"${principal}"`);
  expect(await asRoot(`role list ${acme}`)).toEqual(given);
  expect(await asRoot(`role list ${principal}`)).toEqual(given);

  const other = await as(key, `check ${TUPLE} ${globex}`);
  expect(other).toMatchObject({ end: 4, out: "" });
  expect(other.err).toMatch(/^error\[PERMISSION_DENIED\]: key:\w+ is not reader of vault/);
  expect((await as(key, `role grant ${principal} manager ${acme}`)).end).toBe(4);

  await as(root, `role revoke ${principal} writer ${acme}`);
  expect((await as(key, `check ${TUPLE} ${acme}`)).end).toBe(4);
  const again = await as(root, `role revoke ${principal} writer ${acme}`);
  expect(again).toMatchObject({ end: 0, err: `${principal} was not writer\n` });

  const { out, err } = await end();
  expect(err).toContain(principal);
  for (const secret of [root, key]) expect(`${out}${err}`).not.toContain(secret.slice(-30));
  expect(statSync(data).mode & 0o777).toBe(0o700);
  expect(statSync(join(data, "root.key")).mode & 0o777).toBe(0o600);
});

it("what is no role, no principal or no place is refused with what there is", async () => {
  const { root, as } = await setUp();
  const refused = async (command: string): Promise<string> => {
    const { end, err } = await as(root, command);
    expect([command, end]).toEqual([command, 2]);
    return err;
  };
  expect(await refused("role grant user:ann boss --on cluster")).toMatch(/reader, writer/);
  expect(await refused("role grant user:ann writer --on cluster")).toMatch(
    /administrator, operator/,
  );
  expect(await refused("role grant ann operator --on cluster")).toMatch(/user:<subject>/);
  expect(await refused("role grant user:ann writer --on planet")).toMatch(/group:<name>/);
  expect(await refused("role grant user:ann writer --on org")).toMatch(/--org <slug>/);
});
