/** The ownership of a tree as tuples, against what lstat says (INV-IMPORT-1, -3; INV-POSIX-1). */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  rmSync,
  type Stats,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { parseTuple } from "@authledger/types";
import { describe, expect, it, onTestFinished } from "vitest";
import { rejectedBy, temporaryDirectory } from "../../../../test/support.js";
import { importChunks } from "../../src/importers/chunker.js";
import { encodeName, shortenId } from "../../src/importers/posix/path-id.js";
import { type PosixOptions, posixSource } from "../../src/importers/posix/posix-source.js";
import { walkTree } from "../../src/importers/posix/tree-walk.js";
import { itemsOf, rejectedOf, tuplesOf, userFiles } from "./import-support.js";

const IS_ROOT = process.getuid?.() === 0;

/** A directory with user files beside the tree that is imported. */
function world(passwd = ["root:x:0:0::/:"], group = ["root:x:0:"]) {
  const base = realpathSync(temporaryDirectory());
  const tree = `${base}/tree`;
  mkdirSync(tree);
  return { base, tree, userDatabase: userFiles(base, passwd, group) };
}

async function tuplesUnder(directory: string, options: PosixOptions): Promise<string[]> {
  return tuplesOf(await itemsOf(await posixSource(directory, options)));
}

function tuplesAbout(tuples: readonly string[], resource: string): string[] {
  return tuples.filter((tuple) => tuple.startsWith(`${resource}#`));
}

/** What lstat says about one entry, written from stat(2) and not from the code under test. */
function expectedFor(
  path: Buffer,
  stat: Stats,
  user: (uid: number) => string,
  group: (gid: number) => string,
): string[] {
  const idOf = (raw: string) => shortenId(raw.split("/").map(encodeName).join("/") || "/");
  const text = path.toString("latin1");
  const self = `${stat.isDirectory() ? "dir" : "file"}:${idOf(text)}`;
  const octal = (stat.mode & 0o7777).toString(8).padStart(4, "0");
  const [special, ...classes] = [...octal].map(Number) as [number, number, number, number];
  const subjects = [user(stat.uid), `${group(stat.gid)}#member`, "user:*"];
  const found = [`owner@${subjects[0]}`, `group@${subjects[1]}`];
  if (text !== "/") found.push(`parent@dir:${idOf(text.slice(0, text.lastIndexOf("/")))}`);
  else found.push("root@user:*", `superuser@${user(0)}`);
  if (!stat.isSymbolicLink()) {
    if (special & 4) found.push(`setuid@${subjects[0]}`);
    if (special & 2) found.push(`setgid@${subjects[1]}`);
    if (special & 1) found.push("sticky@user:*");
    for (const [i, name] of ["owner", "group", "other"].entries()) {
      for (const [bit, right] of [
        [4, "read"],
        [2, "write"],
        [1, "execute"],
      ] as const) {
        if (classes[i]! & bit) found.push(`${name}_${right}@${subjects[i]}`);
      }
    }
    const execute = classes.map((digit) => digit & 1);
    if (!stat.isDirectory() && execute.includes(1) && execute[2] === 0)
      found.push("any_execute@user:*");
  }
  return found.map((end) => `${self}#${end}`);
}

/** Every path of the tree in the order of a sorted walk. */
function pathsUnder(path: Buffer): Buffer[] {
  if (!lstatSync(path).isDirectory()) return [path];
  const names = readdirSync(path, "buffer").sort(Buffer.compare);
  return [
    path,
    ...names.flatMap((name) => pathsUnder(Buffer.concat([path, Buffer.from("/"), name]))),
  ];
}

describe("the posix source", () => {
  it("gives for odd names, links, permissions and long paths exactly what lstat says, in byte order", async () => {
    const { base, tree, userDatabase } = world();
    for (const name of [
      "a b",
      "#x",
      "c:d",
      "50%",
      "new\nline",
      "*",
      "~",
      "-rf",
      "\u00e9",
      "\u{1F600}",
      "z".repeat(255),
    ]) {
      writeFileSync(`${tree}/${name}`, "");
    }
    writeFileSync(Buffer.from(`${tree}/\xff\xfe`, "latin1"), "");
    mkdirSync(Buffer.from(`${tree}/d\xe9`, "latin1"));
    writeFileSync(Buffer.from(`${tree}/d\xe9/inside`, "latin1"), "");
    for (let mode = 0; mode < 0o10000; mode += 0o117) {
      writeFileSync(`${tree}/mode-${mode}`, "");
      chmodSync(`${tree}/mode-${mode}`, mode);
    }
    mkdirSync(`${tree}/sticky`);
    chmodSync(`${tree}/sticky`, 0o3777);
    symlinkSync("..", `${tree}/sticky/loop`);
    symlinkSync("self", `${tree}/self`);
    symlinkSync("/nowhere", `${tree}/dangling`);
    linkSync(`${tree}/a b`, `${tree}/hard`);
    mkdirSync(`${tree}/${"long/".repeat(150)}`, { recursive: true });
    writeFileSync(`${tree}/${"long/".repeat(150)}end`, "");
    if (IS_ROOT) {
      lchownSync(`${tree}/a b`, 4711, 4712);
      lchownSync(`${tree}/dangling`, 4711, 0);
    }
    const server = createServer().listen(`${tree}/socket`);
    onTestFinished(() => void server.close());
    const user = (uid: number) => (uid === 0 ? "user:root" : `user:uid-${uid}`);
    const group = (gid: number) => (gid === 0 ? "group:root" : `group:gid-${gid}`);

    const above = base
      .split("/")
      .map((_, i, parts) => Buffer.from(parts.slice(0, i + 1).join("/") || "/"));
    const paths = [...above, ...pathsUnder(Buffer.from(tree))];
    const expected = paths.map((path) => expectedFor(path, lstatSync(path), user, group));
    const source = await posixSource(tree, { userDatabase });
    const items = await itemsOf(source);
    const actual = tuplesOf(items);
    expect(rejectedOf(items)).toEqual([]);
    expect(actual[0]).toBe("group:root#member@user:root");
    expect([...actual.slice(1)].sort()).toEqual(expected.flat().sort());
    const order = [...new Set(actual.slice(1).map((tuple) => tuple.slice(0, tuple.indexOf("#"))))];
    expect(order).toEqual(expected.map((tuples) => tuples[0]!.slice(0, tuples[0]!.indexOf("#"))));
    for (const tuple of actual) parseTuple(tuple);
    expect(new Set(actual).size).toBe(actual.length);
    expect(source.counts).toEqual({
      entries: paths.length,
      tuples: actual.length,
      rejected: 0,
      notEntered: 0,
      stoppedAtLimit: false,
    });
    expect(await source.estimate()).toBe(actual.length);
    if (IS_ROOT) expect(actual).toContain(`file:${tree}/hard#owner@user:uid-4711`);
  });

  it("gives a symbolic link no bits: its 0777 would open what it points to", async () => {
    const { tree, userDatabase } = world();
    writeFileSync(`${tree}/secret`, "");
    chmodSync(`${tree}/secret`, 0o600);
    symlinkSync("secret", `${tree}/link`);
    const relations = tuplesAbout(
      await tuplesUnder(tree, { userDatabase }),
      `file:${tree}/link`,
    ).map((tuple) => parseTuple(tuple).relation);
    expect(relations).toEqual(["owner", "group", "parent"]);
  });

  it("is the same at every run, and so are the keys of its chunks (INV-IMPORT-3)", async () => {
    const { tree, userDatabase } = world();
    for (let i = 0; i < 300; i++) writeFileSync(`${tree}/f${(i * 7919) % 300}`, "");
    const keysOf = async () => {
      const keys: string[] = [];
      const source = await posixSource(tree, { userDatabase });
      for await (const step of importChunks(source)) {
        if (step.kind === "chunk") keys.push(step.idempotencyKey);
      }
      return keys;
    };
    const keys = await keysOf();
    expect(keys.length).toBeGreaterThan(1);
    expect(await keysOf()).toEqual(keys);
    const source = await posixSource(tree, { userDatabase });
    expect(await itemsOf(source)).toEqual(await itemsOf(source));
  });

  it("stops in front of the entry that would exceed the limit, never inside one", async () => {
    const { tree, userDatabase } = world();
    for (let i = 0; i < 5; i++) writeFileSync(`${tree}/f${i}`, "");
    const whole = await tuplesUnder(tree, { userDatabase });
    for (let limit = 0; limit <= whole.length + 1; limit++) {
      const source = await posixSource(tree, { userDatabase, limit });
      const tuples = tuplesOf(await itemsOf(source));
      expect(tuples.length).toBeLessThanOrEqual(limit);
      expect(tuples).toEqual(whole.slice(0, tuples.length));
      const next = whole[tuples.length];
      const last = tuples.at(-1);
      if (next !== undefined && last !== undefined) {
        expect(parseTuple(next).resource).not.toBe(parseTuple(last).resource);
        const unit = tuplesAbout(whole, parseTuple(next).resource);
        expect(tuples.length + unit.length).toBeGreaterThan(limit);
      }
      expect(source.counts.stoppedAtLimit).toBe(tuples.length < whole.length);
      expect(await source.estimate()).toBe(tuples.length);
    }
  });

  it("names one tree by one id, whichever link leads to it", async () => {
    const { base, tree, userDatabase } = world();
    writeFileSync(`${tree}/f`, "");
    symlinkSync("tree", `${base}/other`);
    const [direct, linked] = [tree, `${base}/other`].map((path) =>
      posixSource(path, { userDatabase }),
    );
    expect(await itemsOf(await linked!)).toEqual(await itemsOf(await direct!));
    expect((await linked!).identity).toBe((await direct!).identity);
  });

  it("reports a path that is longer than the system takes, and goes on (INV-IMPORT-1)", async () => {
    const { tree, userDatabase } = world();
    const home = process.cwd();
    onTestFinished(() => {
      process.chdir(home);
      spawnSync("rm", ["-rf", tree]);
    });
    process.chdir(tree);
    for (let i = 0; i < 18; i++) {
      mkdirSync("n".repeat(250));
      process.chdir("n".repeat(250));
    }
    process.chdir(home);
    writeFileSync(`${tree}/zzz`, "");
    const items = await itemsOf(await posixSource(tree, { userDatabase }));
    expect(rejectedOf(items)).toEqual([
      expect.objectContaining({ reason: expect.stringMatching(/^ENAMETOOLONG/) }),
    ]);
    expect(tuplesAbout(tuplesOf(items), `file:${tree}/zzz`)).not.toEqual([]);
  });

  it("reports what vanishes or is replaced by a link while it walks, and does not follow it", async () => {
    const { base, tree } = world();
    for (const name of ["a", "b", "c", "d"]) mkdirSync(`${tree}/${name}`);
    mkdirSync(`${base}/elsewhere`);
    writeFileSync(`${base}/elsewhere/secret`, "");
    const seen: string[] = [];
    for (const step of walkTree(tree, { crossFileSystems: false })) {
      const name = step.path.slice(tree.length);
      seen.push(step.kind === "problem" ? `${name}: ${step.reason}` : name);
      if (name === "/a") rmSync(`${tree}/b`, { recursive: true });
      if (name === "/c") {
        // The step for the directory comes before its names are read.
        rmSync(`${tree}/c`, { recursive: true });
        symlinkSync(`${base}/elsewhere`, `${tree}/c`);
      }
    }
    expect(seen).toEqual([
      "",
      "/a",
      expect.stringMatching(/^\/b: ENOENT: no such file or directory, lstat$/),
      "/c",
      "/c: was replaced while it was read",
      "/d",
    ]);
  });

  it.runIf(!IS_ROOT)("reports a directory that it may not read", async () => {
    const { tree, userDatabase } = world();
    mkdirSync(`${tree}/closed`, { mode: 0o000 });
    const items = await itemsOf(await posixSource(tree, { userDatabase }));
    expect(rejectedOf(items)).toEqual([
      expect.objectContaining({ reason: expect.stringMatching(/^EACCES/) }),
    ]);
  });

  it("leaves the kernel's trees out", () => {
    const seen: string[] = [];
    for (const step of walkTree("/", { crossFileSystems: true })) {
      seen.push(`${step.kind} ${step.path}`);
      if (step.path.startsWith("/dev")) break; // among the first names of the root directory
    }
    expect(seen.at(-1)).toBe("not_entered /dev");
  });

  it("visits a mount point and does not enter it, unless told to", () => {
    const device = lstatSync("/dev").dev;
    const isDirectory = (path: string) => lstatSync(path).isDirectory();
    const mounts = readdirSync("/dev")
      .map((name) => `/dev/${name}`)
      .filter((path) => isDirectory(path) && lstatSync(path).dev !== device);
    if (mounts.length === 0) {
      process.stderr.write("nothing is mounted in /dev: staying on a file system is not shown\n");
    }
    const walk = (crossFileSystems: boolean) => [...walkTree("/dev", { crossFileSystems })];
    const paths = (kind: string, cross: boolean) =>
      walk(cross).flatMap((step) => (step.kind === kind ? [step.path] : []));
    const inMounts = (path: string) => mounts.some((mount) => path.startsWith(`${mount}/`));
    expect(paths("entry", false)).toEqual(expect.arrayContaining(mounts));
    expect(paths("entry", false).filter(inMounts)).toEqual([]);
    expect(paths("not_entered", false)).toEqual(expect.arrayContaining(mounts));
    const held = mounts.flatMap((mount) => readdirSync(mount).map((name) => `${mount}/${name}`));
    expect(paths("entry", true)).toEqual(expect.arrayContaining(held));
    expect(paths("not_entered", true)).toEqual([]);
  });

  it("refuses what is no directory with ownership, by name", async () => {
    const { tree } = world();
    writeFileSync(`${tree}/file`, "");
    for (const path of [`${tree}/missing`, `${tree}/file`, "/proc", "/proc/self", "/dev"]) {
      const error = await rejectedBy(posixSource(path));
      expect(error.code).toBe("INVALID_ARGUMENT");
      expect(error.message).toContain(path);
    }
  });
});

describe("users and groups", () => {
  it("come from the user database: primary groups, listed members, numbers without names", async () => {
    const passwd = [
      "root:x:0:0::/:",
      "",
      "# comment",
      "+@nis::::::",
      "ann:x:10:20::/:",
      "bob:x:11:99::/:",
    ];
    const { tree, userDatabase } = world(passwd, [
      "root:x:0:",
      "staff:x:20:bob,ann, carl,,bob",
      "empty:x:21:",
    ]);
    expect(
      (await tuplesUnder(tree, { userDatabase })).filter((tuple) => tuple.startsWith("group:")),
    ).toEqual([
      "group:root#member@user:root",
      "group:staff#member@user:ann",
      "group:gid-99#member@user:bob",
      "group:staff#member@user:bob",
      "group:staff#member@user:carl",
    ]);
  });

  it("are their numbers: a second name of a number, or a name of two numbers, is reported and gets nothing", async () => {
    const passwd = [
      "root:x:0:0::/:",
      "toor:x:0:5::/:",
      "ann:x:10:20::/:",
      "ann:x:11:21::/:",
      "uid-12:x:13:20::/:",
    ];
    const group = ["wheel:x:5:toor,ann", "admin:x:5:root", "wheel:x:6:ann"];
    const { tree, userDatabase } = world(passwd, group);
    for (const [name, uid, gid] of [
      ["a", 10, 5],
      ["b", 11, 6],
      ["c", 12, 20],
      ["d", 13, 21],
    ] as const) {
      writeFileSync(`${tree}/${name}`, "");
      if (IS_ROOT) lchownSync(`${tree}/${name}`, uid, gid);
    }
    const items = await itemsOf(await posixSource(tree, { userDatabase }));
    const tuples = tuplesOf(items);
    expect(tuples.filter((tuple) => tuple.startsWith("group:"))).toEqual([
      "group:gid-0#member@user:root",
      "group:gid-20#member@user:ann",
      "group:gid-20#member@user:uid%2D12",
      "group:wheel#member@user:ann",
      "group:wheel#member@user:root",
      "group:gid-6#member@user:ann",
    ]);
    expect(rejectedOf(items).map((item) => [item.line, item.reason])).toEqual([
      [2, `login "toor" is uid 0, as is "root": ask for user:root`],
      [4, `login "ann" stands twice; the first line counts, uid 11 is not named by it`],
      [3, `group "wheel" stands twice; gid 6 is not named by it`],
    ]);
    if (!IS_ROOT) return;
    const owners = tuples.filter((tuple) => /#(owner|group)@/.test(tuple)).slice(-8);
    expect(owners.map((tuple) => tuple.slice(tuple.indexOf("@") + 1))).toEqual([
      "user:ann",
      "group:wheel#member",
      "user:uid-11",
      "group:gid-6#member",
      "user:uid-12",
      "group:gid-20#member",
      "user:uid%2D12",
      "group:gid-21#member",
    ]);
  });

  it("that cannot be read are reported and shown by numbers (INV-IMPORT-1)", async () => {
    const passwd = [
      "root:x:zero:0::/:",
      ":x:1:1::/:",
      "ann:x:4294967295:1::/:",
      "bob:x:1",
      "carl:x:1:x::/:",
    ];
    const { base, tree } = world();
    const files = userFiles(base, passwd, ["a\xff b:x:7:d\xe9"]);
    const items = await itemsOf(await posixSource(tree, { userDatabase: files }));
    expect(rejectedOf(items).map((item) => item.line)).toEqual([1, 2, 3, 4, 5]);
    expect(tuplesOf(items)[0]).toBe("group:a%FF%20b#member@user:d%E9");
    const missing = { passwd: `${base}/none`, group: `${base}/none` };
    const numbered = await itemsOf(await posixSource(tree, { userDatabase: missing }));
    expect(rejectedOf(numbered)).toHaveLength(2);
    expect(tuplesOf(numbered)).toContain("dir:/#superuser@user:uid-0");
  });
});
