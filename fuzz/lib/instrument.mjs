// @ts-check
/**
 * Puts counters into the product's JavaScript: one at the start of each function, block, branch arm and case. A
 * fuzzer that sees which of them an input reached keeps the inputs that reached something new (AFL's idea; Zalewski,
 * "american fuzzy lop", technical details).
 */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

/** Counters that all files share; a file's counters begin at a place that its name gives. */
export const COUNTERS = 1 << 15;

const cacheDirectory = fileURLToPath(new URL("../out/instrumented", import.meta.url));
const VERSION = "1";
const { factory } = ts;

/**
 * The file's source with counters; kept on disk for the next run.
 *
 * @param {string} path
 * @returns {string}
 */
export function instrumented(path) {
  const source = readFileSync(path, "utf8");
  const key = createHash("sha256").update(VERSION).update(path).update(source).digest("hex");
  const cached = join(cacheDirectory, `${key}.js`);
  try {
    return readFileSync(cached, "utf8");
  } catch {
    const text = instrument(source, path);
    mkdirSync(dirname(cached), { recursive: true });
    // Several workers may write the same file.
    const scratch = `${cached}.${process.pid}.${Math.random()}`;
    writeFileSync(scratch, text);
    renameSync(scratch, cached);
    return text;
  }
}

/**
 * @param {string} source
 * @param {string} path
 */
function instrument(source, path) {
  let next = createHash("sha256").update(path).digest().readUInt32BE(0) % COUNTERS;
  const file = ts.createSourceFile(path, source, ts.ScriptTarget.Latest, true, ts.ScriptKind.JS);
  const hit = () => {
    next = (next + 1) % COUNTERS;
    const slot = factory.createElementAccessExpression(
      factory.createIdentifier("__hits"),
      factory.createNumericLiteral(next),
    );
    return factory.createPostfixIncrement(slot);
  };
  const statement = () => factory.createExpressionStatement(hit());
  /** @param {ts.Expression} expression */
  const counted = (expression) =>
    factory.createParenthesizedExpression(factory.createComma(hit(), expression));

  const result = ts.transform(file, [
    (context) => {
      /** @type {ts.Visitor} */
      const visit = (node) => {
        const done = ts.visitEachChild(node, visit, context);
        if (ts.isBlock(done)) {
          return factory.updateBlock(done, [statement(), ...done.statements]);
        }
        if (ts.isCaseClause(done)) {
          return factory.updateCaseClause(done, done.expression, [statement(), ...done.statements]);
        }
        if (ts.isDefaultClause(done)) {
          return factory.updateDefaultClause(done, [statement(), ...done.statements]);
        }
        if (ts.isIfStatement(done)) {
          const then = inBlock(done.thenStatement, statement);
          const other = done.elseStatement && inBlock(done.elseStatement, statement);
          return factory.updateIfStatement(done, done.expression, then, other);
        }
        if (ts.isConditionalExpression(done)) {
          const { condition, questionToken, whenTrue, colonToken, whenFalse } = done;
          const yes = counted(whenTrue);
          const no = counted(whenFalse);
          return factory.updateConditionalExpression(
            done,
            condition,
            questionToken,
            yes,
            colonToken,
            no,
          );
        }
        return done;
      };
      return (root) => ts.visitEachChild(root, visit, context);
    },
  ]);
  const [root] = result.transformed;
  const text = ts.createPrinter().printFile(/** @type {ts.SourceFile} */ (root));
  return `const __hits = globalThis.__fuzzHits ?? new Uint8Array(${COUNTERS});\n${text}`;
}

/**
 * @param {ts.Statement} statement
 * @param {() => ts.Statement} hit
 */
function inBlock(statement, hit) {
  return ts.isBlock(statement) ? statement : factory.createBlock([hit(), statement], true);
}
