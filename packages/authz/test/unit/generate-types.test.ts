/** Types of a model in TypeScript, compiled: what the model allows compiles, and nothing else does. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import { generateTypes, parseOpenFga } from "../../src/language/index.js";

const TYPES = generateTypes(
  parseOpenFga(`model
  schema 1.1
type user
type group
  relations
    define member: [user]
type document
  relations
    define owner: [user]
    define viewer: [user, user:*, group#member with in_office] or owner
    define can_share: owner
condition in_office(ip: ipaddress, floor: int) {
  ip.in_cidr("10.0.0.0/8") && floor < 3
}
`),
);

const HEAD = `import { typed, type Question, type Relationship, type Condition } from "./model.js";
declare const plain: {
  decide(tuple: string | { resource: string; relation: string; subject: string }, options?: { context?: Record<string, unknown>; atHeight?: bigint }): Promise<boolean>;
  decideMany(tuples: readonly unknown[]): Promise<boolean[]>;
  close(): void;
};
const vault = typed(plain);
vault.close();
`;
const RIGHT = [
  'vault.decide({ resource: "document:1", relation: "viewer", subject: "user:anne" });',
  'vault.decide({ resource: "document:1", relation: "can_share", subject: "group:g#member" }, { atHeight: 3n });',
  'vault.decide({ resource: "group:1", relation: "member", subject: "user:*" }, { context: { ip: "10.0.0.1", floor: "2" } });',
  'vault.decideMany([{ resource: "group:1", relation: "member", subject: "user:b" }]).then((all) => all.length);',
  'const r: Relationship = { resource: "document:1", relation: "viewer", subject: "group:g#member" };',
  'const w: Relationship = { resource: "document:1", relation: "viewer", subject: "user:*" };',
  'const c: Condition = { name: "in_office", context: { ip: "10.0.0.1" } };',
];
const WRONG = [
  'vault.decide({ resource: "document:1", relation: "vewer", subject: "user:anne" });',
  'vault.decide({ resource: "group:1", relation: "viewer", subject: "user:anne" });',
  'vault.decide({ resource: "doc:1", relation: "viewer", subject: "user:anne" });',
  'vault.decide({ resource: "document:1", relation: "viewer", subject: "bot:anne" });',
  'vault.decide({ resource: "document:1", relation: "viewer", subject: "user:b" }, { context: { ipp: "" } });',
  'vault.decide({ resource: "document:1", relation: "viewer", subject: "user:b" }, { context: { ip: 3 } });',
  'vault.decideMany([{ resource: "group:1", relation: "owner", subject: "user:b" }]);',
  'const q: Question = { resource: "user:1", relation: "member", subject: "user:b" };',
  'const r: Relationship = { resource: "document:1", relation: "can_share", subject: "user:b" };',
  'const r: Relationship = { resource: "document:1", relation: "viewer", subject: "group:g" };',
  'const c: Condition = { name: "in_ofice", context: {} };',
  'const c: Condition = { name: "in_office", context: { floor: true } };',
];

/** Messages by the line of the program that they are about. */
function compile(lines: readonly string[]): Map<number, string> {
  const folder = mkdtempSync(join(tmpdir(), "authledger-types-"));
  try {
    writeFileSync(join(folder, "model.ts"), TYPES);
    const main = join(folder, "main.ts");
    writeFileSync(main, HEAD + lines.map((line) => `{ ${line} }`).join("\n"));
    const program = ts.createProgram([main], {
      strict: true,
      noEmit: true,
      exactOptionalPropertyTypes: true,
      module: ts.ModuleKind.NodeNext,
      target: ts.ScriptTarget.ES2022,
      lib: ["lib.es2022.d.ts"],
      types: [],
    });
    const offset = HEAD.split("\n").length - 1;
    return new Map(
      ts.getPreEmitDiagnostics(program).map(({ file, start = 0, messageText }) => {
        const line = file?.fileName === main ? file.getLineAndCharacterOfPosition(start).line : -1;
        return [
          line < 0 ? line : line - offset,
          ts.flattenDiagnosticMessageText(messageText, "\n"),
        ];
      }),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe("generated types", () => {
  const found = compile([...RIGHT, ...WRONG]);
  it("compile by themselves, with every question that the model knows", () => {
    const unexpected = [...found].filter(([line]) => line < RIGHT.length);
    expect(unexpected.map(([line, text]) => `${RIGHT[line] ?? "model.ts"}: ${text}`)).toEqual([]);
  });

  it.each(WRONG.map((line, i) => [line, i] as const))("refuse %s", (_, i) => {
    expect(found.has(RIGHT.length + i)).toBe(true);
  });
});
