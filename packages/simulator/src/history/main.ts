/** `npm run check-history -- FILE`: exit code 0 = nothing wrong, 1 = wrong or undecided, 2 = the file cannot be judged. */
import { readFileSync } from "node:fs";
import process from "node:process";
import { judgeHistory } from "./judge.js";
import { parseHistory } from "./record.js";

process.exitCode = main(process.argv.slice(2));

function main(files: readonly string[]): number {
  const [path] = files;
  if (path === undefined || files.length > 1) {
    process.stderr.write("usage: npm run check-history -- FILE   (docs/history-format.md)\n");
    return 2;
  }
  try {
    const { isGood, report } = judgeHistory(parseHistory(readFileSync(path, "utf8")));
    process.stdout.write(`${report.join("\n")}\n`);
    return isGood ? 0 : 1;
  } catch (error) {
    process.stderr.write(`${path}: ${error instanceof Error ? error.message : String(error)}\n`);
    return 2;
  }
}
