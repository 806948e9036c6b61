/**
 * Does the model say what the kernel says? A random tree with random owners and modes is imported; the model of
 * posix-model.ts is evaluated over the tuples; and for each user a process with that user's credentials asks the
 * kernel about every path: by access(2), and by renaming it to and fro, which needs what removing needs. Needs root,
 * to become other users.
 */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  writeFileSync,
} from "node:fs";
import { parseTuple, type Tuple } from "@authledger/types";
import { describe, expect, it } from "vitest";
import { temporaryDirectory, testRandom, testRounds } from "../../../../test/support.js";
import { posixSource } from "../../src/importers/posix/posix-source.js";
import { itemsOf, tuplesOf, userFiles } from "./import-support.js";
import { type Decide, modelOver } from "./posix-model.js";

const RIGHTS = ["read", "write", "execute", "remove"] as const;

/** Users of the test: id, uid, primary group, further groups. */
const USERS = [
  { id: "user:root", uid: 0, gid: 0, groups: [] },
  { id: "user:ann", uid: 60_001, gid: 61_001, groups: [61_002] },
  { id: "user:bob", uid: 60_002, gid: 61_002, groups: [61_003, 61_001] },
  { id: "user:carl", uid: 60_003, gid: 61_004, groups: [] },
] as const;
const PASSWD = [
  "root:x:0:0::/:",
  "ann:x:60001:61001::/:",
  "bob:x:60002:61002::/:",
  "carl:x:60003:61004::/:",
];
const GROUP = ["root:x:0:", "red:x:61001:bob", "green:x:61002:ann", "blue:x:61003:bob"];

/** Runs as the user whose numbers it is given and prints what the kernel says about each path and right. */
const ASK_KERNEL = `
  const { accessSync, renameSync } = require("node:fs");
  const { uid, gid, groups, paths, isOwnTree } = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
  process.setgroups([gid, ...groups]); process.setgid(gid); process.setuid(uid);
  const may = (path, mode) => { try { accessSync(path, mode); return true; } catch (error) {
    if (error.code !== "EACCES") throw error; return false; } };
  const mayRemove = (path) => { const [from, to] = [path.replace(/[/]$/, ""), path.replace(/[/]$/, "") + "~"];
    try { renameSync(from, to); } catch (error) {
      if (error.code !== "EACCES" && error.code !== "EPERM") throw error; return false; }
    renameSync(to, from); return true; };
  process.stdout.write(JSON.stringify(paths.map((path) => [...[4, 2, 1].map((mode) => may(path, mode)), ...(isOwnTree ? [mayRemove(path)] : [])])));`;

interface Asked {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  readonly paths: readonly string[];
  /** Its files may be renamed. */
  readonly isOwnTree: boolean;
}

/** By path: may the user read, write and execute it, and, in a tree of our own, remove it? */
function kernelSays(asked: Asked): boolean[][] {
  const run = spawnSync(process.execPath, ["-e", ASK_KERNEL], {
    input: JSON.stringify(asked),
    encoding: "utf8",
    cwd: "/",
  });
  if (run.status !== 0) throw new Error(run.stderr);
  return JSON.parse(run.stdout) as boolean[][];
}

/** A tree with random modes and owners; the paths in it, directories with a slash at the end. */
function randomTree(base: string, random: ReturnType<typeof testRandom>): string[] {
  const paths = [`${base}/`];
  for (let i = 0; i < 120; i++) {
    const parent = random.pick(paths.filter((path) => path.endsWith("/")));
    const path = `${parent}n${i}`;
    if (random.chance(0.35)) paths.push(`${path}/`);
    else paths.push(path);
    if (paths.at(-1) === path) writeFileSync(path, "");
    else mkdirSync(path);
  }
  for (const path of paths.slice(1)) {
    const owner = random.pick([0, 60_001, 60_002, 60_003, 60_004]);
    chownSync(path, owner, random.pick([0, 61_001, 61_002, 61_003, 61_004, 61_005]));
    // Half of the directories can be searched by most, or little could be reached below.
    const mode = random.int(0o10000) | (path.endsWith("/") && random.chance(0.5) ? 0o111 : 0);
    chmodSync(path, mode);
  }
  return paths;
}

const resourceOf = (path: string) =>
  path.endsWith("/") ? `dir:${path.slice(0, -1)}` : `file:${path}`;

describe.runIf(process.getuid?.() === 0)("the tuples of a tree", () => {
  it("decide every (user, path, right) under the model as the kernel does (INV-POSIX-3)", async () => {
    const random = testRandom("kernel");
    const tally = { allowed: 0, denied: 0 };
    for (let round = 0; round < testRounds(4); round++) {
      const { paths, tuples } = await importedTree(random);
      const decide = modelOver(tuples);
      for (const user of USERS) {
        const kernel = kernelSays({ ...user, paths, isOwnTree: true });
        const ours = paths.map((path) =>
          RIGHTS.map((right) => decide(user.id, right, resourceOf(path))),
        );
        const differing = paths.filter((_, i) => String(kernel[i]) !== String(ours[i]));
        expect({ user: user.id, differing }).toEqual({ user: user.id, differing: [] });
        for (const allowed of kernel.flat()) tally[allowed ? "allowed" : "denied"] += 1;
      }
    }
    process.stderr.write(
      `kernel: ${tally.allowed} allowed and ${tally.denied} denied, all alike\n`,
    );
    expect(Math.min(tally.allowed, tally.denied)).toBeGreaterThan(300);
  });

  it("grant nothing while they are incomplete that they do not grant as a whole (INV-POSIX-2)", async () => {
    const random = testRandom("prefixes");
    const { paths, tuples } = await importedTree(random);
    const granted = (decide: Decide) =>
      USERS.flatMap(({ id }) =>
        paths.flatMap((path) => RIGHTS.map((right) => decide(id, right, resourceOf(path)))),
      );
    const all = granted(modelOver(tuples));
    let partly = 0;
    for (let i = 0; i < testRounds(20); i++) {
      const some = granted(modelOver(tuples.slice(0, random.int(tuples.length))));
      expect(some.filter((allowed, k) => allowed && !all[k])).toEqual([]);
      if (some.includes(true)) partly += 1;
    }
    expect(partly).toBeGreaterThan(0);
  });
});

/** What belongs to this machine; nothing is renamed there. */
describe.runIf(process.getuid?.() === 0)("the model over a tree of this machine", () => {
  it("decides every sampled (user, file, permission) as the kernel does (INV-POSIX-3)", async () => {
    const random = testRandom("machine");
    const tuples = tuplesOf(await itemsOf(await posixSource("/etc", { limit: 40_000 }))).map(
      parseTuple,
    );
    const decide = modelOver(tuples);
    const resources = [...new Set(tuples.map(({ resource }) => resource))].filter(isPlain);
    const sampled = resources.filter(() =>
      random.chance(Math.min(1, testRounds(300) / resources.length)),
    );
    const paths = sampled.map((resource) => resource.slice(resource.indexOf(":") + 1));
    const rights = ["read", "write", "execute"];
    let compared = 0;
    for (const { name, uid, gid } of accounts()) {
      const kernel = kernelSays({ uid, gid, groups: groupsOf(name), paths, isOwnTree: false });
      const ours = sampled.map((resource) =>
        rights.map((right) => decide(`user:${name}`, right, resource)),
      );
      const differing = paths.filter((_, i) => String(kernel[i]) !== String(ours[i]));
      expect({ name, differing }).toEqual({ name, differing: [] });
      compared += kernel.flat().length;
    }
    process.stderr.write(`kernel: ${compared} decisions over /etc, all alike\n`);
    expect(compared).toBeGreaterThan(1_000);
  });
});

/** A path that its id spells out, of a file or directory and not of a link. */
function isPlain(resource: string): boolean {
  const [type, path] = resource.split(":") as [string, string];
  if (type === "group" || /[%~]/.test(path)) return false;
  return !lstatSync(path).isSymbolicLink();
}

/** Some accounts of this machine. */
function accounts(): { name: string; uid: number; gid: number }[] {
  const wanted = new Set(["root", "daemon", "mail", "www-data", "backup", "nobody"]);
  return readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .map((line) => line.split(":"))
    .filter(([name = ""]) => wanted.has(name))
    .map(([name = "", , uid, gid]) => ({ name, uid: Number(uid), gid: Number(gid) }));
}

/** The further groups of an account, as the machine's files list them. */
function groupsOf(name: string): number[] {
  return readFileSync("/etc/group", "utf8")
    .split("\n")
    .map((line) => line.split(":"))
    .filter(([, , , members = ""]) => members.split(",").includes(name))
    .map(([, , gid]) => Number(gid));
}

async function importedTree(
  random: ReturnType<typeof testRandom>,
): Promise<{ paths: string[]; tuples: Tuple[] }> {
  const base = realpathSync(temporaryDirectory());
  chmodSync(base, 0o755);
  const tree = `${base}/tree`;
  mkdirSync(tree);
  const paths = randomTree(tree, random);
  const source = await posixSource(tree, { userDatabase: userFiles(base, PASSWD, GROUP) });
  return { paths, tuples: tuplesOf(await itemsOf(source)).map(parseTuple) };
}

if (process.getuid?.() !== 0) {
  process.stderr.write("the kernel is not asked: becoming other users needs root\n");
}
