/** The rules of CONTRIBUTING.md that a machine can check, over the whole repository. */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import { definitions, mentions } from "../scripts/docs/invariants.mjs";
import {
  filesUnder,
  packageNames,
  packageOf,
  packageSources,
  read,
  root,
  testFiles,
} from "../scripts/docs/sources.mjs";
import * as rules from "./tidy/rules.js";

const PURE = new Set(["types", "proof", "state", "raft", "authz"]);
const NOT_OURS = new Set([".authledger", ".git", "node_modules", "data", "coverage"]);

const sources = [...packageSources(), ...filesUnder("scripts", /\.mjs$/)];
const tests = testFiles();

/** Every problem that a rule finds in the files, as `path: problem`. */
function problems(files: readonly string[], rule: (text: string) => readonly string[]): string[] {
  return files.flatMap((path) => rule(read(path)).map((problem) => `${path}: ${problem}`));
}

/** All files of the repository that people wrote. */
function repositoryFiles(): string[] {
  return readdirSync(root, { withFileTypes: true }).flatMap((entry) => {
    if (NOT_OURS.has(entry.name)) return [];
    return entry.isDirectory() ? filesUnder(entry.name, /./) : [entry.name];
  });
}

describe("sources", () => {
  it("open with a comment that says what they are", () => {
    expect(problems(sources, rules.missingHeader)).toEqual([]);
    expect(rules.missingHeader("/** Short. */\nexport {};\n")).not.toEqual([]);
    expect(
      rules.missingHeader("import x from 'y';\n/** Not at the top of the file. */"),
    ).not.toEqual([]);
  });

  it(`have functions of at most ${rules.FUNCTION_LINES_MAX} lines`, () => {
    const found = sources.flatMap((path) =>
      rules.longFunctions(path, read(path)).map((problem) => `${path}: ${problem}`),
    );
    expect(found).toEqual([]);
    const body = "  x();\n".repeat(rules.FUNCTION_LINES_MAX - 1);
    for (const head of ["function f() {", "const f = () => {", "class C { m() {"]) {
      const tail = head.startsWith("class") ? "} }" : "}";
      expect(rules.longFunctions("a.ts", `${head}\n${body}${tail}`)).toHaveLength(1);
      expect(rules.longFunctions("a.ts", `${head}\n${body.slice(7)}${tail}`)).toEqual([]);
    }
  });

  it(`have at most ${rules.FILE_LINES_MAX} lines`, () => {
    const sized = [...sources, ...tests].map((path) => ({
      path,
      lines: rules.lineCount(read(path)),
    }));
    for (const { path, lines } of sized.filter((file) => file.lines > rules.FILE_LINES_LONG)) {
      process.stderr.write(`long file: ${path} has ${lines} lines\n`);
    }
    expect(sized.filter(({ lines }) => lines > rules.FILE_LINES_MAX)).toEqual([]);
    expect([rules.lineCount("a\nb\n"), rules.lineCount("a\nb")]).toEqual([2, 2]);
  });

  it("are ASCII; other characters are written as escapes", () => {
    expect(problems(sources, rules.nonAscii)).toEqual([]);
    expect(rules.nonAscii("ok\nd\u00e9j\u00e0\n\t")).toHaveLength(2);
  });

  it("have kebab-case names", () => {
    const wrong = sources.filter(
      (path) => !/^[a-z0-9]+(-[a-z0-9]+)*\.(ts|mjs)$/.test(basename(path)),
    );
    expect(wrong).toEqual([]);
  });

  it("and tests leave no work behind without an owner", () => {
    expect(problems([...sources, ...tests].filter(notTidy), rules.ownerlessTodos)).toEqual([]);
    expect(rules.ownerlessTodos("// TODO later\n// TODO(ada): this\n// FIXME")).toHaveLength(2);
  });

  it("and tests suppress no check", () => {
    expect(problems([...sources, ...tests].filter(notTidy), rules.suppressions)).toEqual([]);
    expect(rules.suppressions("// @ts-ignore\n// biome-ignore lint: no")).toHaveLength(2);
  });

  it("of pure packages use nothing that differs between machines", () => {
    const pure = packageSources().filter((path) => PURE.has(packageOf(path)));
    expect(problems(pure, rules.impurities)).toEqual([]);
    expect(
      rules.impurities("a.localeCompare(b)\nMath.random()\n// Math.random()\nMath.floor(1)"),
    ).toEqual([
      "line 1: is not the same on every machine",
      "line 2: is not the same on every machine",
    ]);
  });
});

describe("packages", () => {
  it.each(packageNames())("%s has a README that says what it is, with an example", (name) => {
    const path = `packages/${name}/README.md`;
    expect(
      existsSync(join(root, path))
        ? problems([path], (text) => rules.readmeProblems(name, text))
        : ["missing"],
    ).toEqual([]);
  });

  it.each(packageNames())("%s has a door with named exports only", (name) => {
    expect(problems([`packages/${name}/src/index.ts`], rules.unnamedExports)).toEqual([]);
  });

  it("would be found without them", () => {
    expect(rules.readmeProblems("x", "# x\n")).toHaveLength(4);
    const door =
      'export { a } from "./a.js";\nexport * as b from "./b.js";\nexport * from "./gen/e.js";\nexport * from "./c.js";\nexport const d = 1;';
    expect(rules.unnamedExports(door)).toHaveLength(2);
  });
});

describe("invariants", () => {
  const defined = definitions();
  const numbers = new Set(defined.map(({ number }) => number));

  it("are defined once, in the header of the module that keeps them", () => {
    const all = defined.map(({ number }) => number);
    expect(all.filter((number, i) => all.indexOf(number) !== i)).toEqual([]);
    expect(all.length).toBeGreaterThan(0);
  });

  it("that are named anywhere are defined", () => {
    const documents = [
      ...packageNames().map((name) => `packages/${name}/README.md`),
      ...filesUnder("docs", /\.md$/),
    ].filter((path) => existsSync(join(root, path)));
    const named = mentions([...sources, ...tests.filter(notTidy), ...documents]);
    const unknown = [...named].filter(([number]) => !numbers.has(number));
    expect(unknown).toEqual([]);
  });

  it("are named by at least one test each", () => {
    const tested = mentions(tests);
    expect([...numbers].filter((number) => !tested.has(number))).toEqual([]);
  });
});

describe("the repository", () => {
  it("names no path or tool of one machine", () => {
    expect(problems(repositoryFiles(), rules.machineTraces)).toEqual([]);
    expect(rules.machineTraces(`see ${"/wo"}rk/main\nnet/work/x`)).toHaveLength(1);
  });

  it("has generated documents that are current", () => {
    const run = spawnSync(process.execPath, ["scripts/docs.mjs", "--check"], {
      cwd: root,
      encoding: "utf8",
    });
    expect([run.status, run.stderr]).toEqual([0, ""]);
  });
});

/** The rules themselves show what they forbid. */
function notTidy(path: string): boolean {
  return !path.startsWith("test/tidy");
}
