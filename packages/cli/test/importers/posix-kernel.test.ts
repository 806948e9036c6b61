/**
 * Do the tuples say what the kernel says? A random tree with random owners and modes is imported; the rule in
 * the header of posix-mapping.ts is evaluated over the tuples alone; and for each user a process with that
 * user's credentials asks the kernel, by access(2), about every path. Needs root, to become other users.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, realpathSync, writeFileSync } from "node:fs";
import { parseTuple, type Tuple } from "@authledger/types";
import { describe, expect, it } from "vitest";
import { temporaryDirectory, testRandom, testRounds } from "../../../../test/support.js";
import { posixSource } from "../../src/importers/posix/posix-source.js";
import { itemsOf, tuplesOf, userFiles } from "./import-support.js";

const RIGHTS = ["read", "write", "execute"] as const;
type Right = (typeof RIGHTS)[number];

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

/** Runs as the user whose numbers it is given and prints what access(2) says about each path and right. */
const ASK_KERNEL = `
  const { accessSync } = require("node:fs");
  const { uid, gid, groups, paths } = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
  process.setgroups([gid, ...groups]); process.setgid(gid); process.setuid(uid);
  const may = (path, mode) => { try { accessSync(path, mode); return true; } catch (error) {
    if (error.code !== "EACCES") throw error; return false; } };
  process.stdout.write(JSON.stringify(paths.map((path) => [4, 2, 1].map((mode) => may(path, mode)))));`;

function kernelSays(user: (typeof USERS)[number], paths: readonly string[]): boolean[][] {
  const run = spawnSync(process.execPath, ["-e", ASK_KERNEL], {
    input: JSON.stringify({ ...user, paths }),
    encoding: "utf8",
    cwd: "/",
  });
  if (run.status !== 0) throw new Error(run.stderr);
  return JSON.parse(run.stdout) as boolean[][];
}

/** The Unix permission rule over tuples, and nothing else. */
class Model {
  readonly #subjects = new Map<string, string[]>();

  constructor(tuples: readonly Tuple[]) {
    for (const { resource, relation, subject } of tuples) {
      const key = `${resource}#${relation}`;
      this.#subjects.set(key, [...(this.#subjects.get(key) ?? []), subject]);
    }
  }

  may(user: string, right: Right, resource: string): boolean {
    return this.#reachable(user, resource) && this.#allowed(user, right, resource);
  }

  #allowed(user: string, right: Right, resource: string): boolean {
    const has = (relation: string) => this.#has(user, resource, relation);
    if (this.#superuser(user, resource)) {
      if (right !== "execute" || resource.startsWith("dir:")) return true;
      return has("any_execute") || has("other_execute");
    }
    const isOwner = has("owner");
    const isMember = has("group");
    const asOther = has(`other_${right}`) && !isOwner && !isMember;
    return has(`owner_${right}`) || (has(`group_${right}`) && !isOwner) || asOther;
  }

  #reachable(user: string, resource: string): boolean {
    if (this.#has(user, resource, "root")) return true;
    return this.#parents(resource).some((parent) => this.may(user, "execute", parent));
  }

  #superuser(user: string, resource: string): boolean {
    if (this.#has(user, resource, "superuser")) return true;
    return this.#parents(resource).some((parent) => this.#superuser(user, parent));
  }

  #parents(resource: string): readonly string[] {
    return this.#subjects.get(`${resource}#parent`) ?? [];
  }

  #has(user: string, resource: string, relation: string): boolean {
    return (this.#subjects.get(`${resource}#${relation}`) ?? []).some((subject) => {
      if (subject === user || subject === "user:*") return true;
      const [group, userset] = subject.split("#");
      return userset !== undefined && this.#has(user, group!, userset);
    });
  }
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
  it("decide every (user, path, right) as the kernel does", async () => {
    const random = testRandom("kernel");
    const tally = { allowed: 0, denied: 0 };
    for (let round = 0; round < testRounds(4); round++) {
      const { paths, tuples } = await importedTree(random);
      const model = new Model(tuples);
      for (const user of USERS) {
        const kernel = kernelSays(user, paths);
        const ours = paths.map((path) =>
          RIGHTS.map((right) => model.may(user.id, right, resourceOf(path))),
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
    const whole = new Model(tuples);
    const granted = (model: Model) =>
      USERS.flatMap(({ id }) =>
        paths.flatMap((path) => RIGHTS.map((right) => model.may(id, right, resourceOf(path)))),
      );
    const all = granted(whole);
    let partly = 0;
    for (let i = 0; i < testRounds(60); i++) {
      const some = granted(new Model(tuples.slice(0, random.int(tuples.length))));
      expect(some.filter((allowed, k) => allowed && !all[k])).toEqual([]);
      if (some.includes(true)) partly += 1;
    }
    expect(partly).toBeGreaterThan(0);
  });
});

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
