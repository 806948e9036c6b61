/** Test results as JUnit's XML, which every build server reads. One suite for each store, one case for each question. */
import type { TestResult } from "./run-tests.js";

export function junitOf(results: readonly TestResult[]): string {
  const stores = [...new Set(results.map(({ store }) => store))];
  const suites = stores.map((store) => {
    const own = results.filter((result) => result.store === store);
    const cases = own.map(caseOf).join("\n");
    return `  <testsuite ${counts(own)} name="${escaped(store)}">\n${cases}\n  </testsuite>`;
  });
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites ${counts(results)}>\n${suites.join("\n")}\n</testsuites>\n`;
}

function counts(results: readonly TestResult[]): string {
  const failures = results.filter(({ passed }) => !passed).length;
  const seconds = results.reduce((sum, { ms }) => sum + ms, 0) / 1_000;
  return `tests="${results.length}" failures="${failures}" errors="0" time="${seconds.toFixed(3)}"`;
}

function caseOf({ test, question, passed, expected, got, ms }: TestResult): string {
  const head = `    <testcase classname="${escaped(test)}" name="${escaped(question)}" time="${(ms / 1_000).toFixed(4)}"`;
  if (passed) return `${head}/>`;
  const message = `expected ${expected}, got ${got}`;
  return `${head}>\n      <failure message="${escaped(message)}"/>\n    </testcase>`;
}

function escaped(text: string): string {
  return Array.from(text, (character) => (hasPlace(character) ? character : "\ufffd"))
    .join("")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll('"', "&quot;");
}

/** XML 1.0 has no place for most control characters (section 2.2). */
function hasPlace(character: string): boolean {
  const code = character.codePointAt(0)!;
  if (code < 0x20) return code === 0x09 || code === 0x0a || code === 0x0d;
  return !(code >= 0xd800 && code <= 0xdfff) && code !== 0xfffe && code !== 0xffff;
}
