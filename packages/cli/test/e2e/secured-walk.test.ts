/** "A secured cluster in ten lines" of docs/operations.md, run by a shell as it stands there. */
import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { temporaryDirectory } from "../../../../test/support.js";

const ROOT = fileURLToPath(new URL("../../../..", import.meta.url));
const SECTION = /### A secured cluster in ten lines\n([\s\S]*?)\n## /;
const BLOCK = /```sh\n([\s\S]*?)```/g;
/** Two digits that the ports of the section begin with, and of which all nine are free. */
const BASES = Array.from({ length: 28 }, (_, i) => String(21 + i));
const LISTENS = "{ until (exec 3<>/dev/tcp/localhost/$1) 2>/dev/null; do sleep 0.1; done; }";

const hasOpenSsl3 = /^OpenSSL 3/.test(versionOf("openssl"));

it.skipIf(!hasOpenSsl3)(
  "the ten lines make a cluster in which a key may do what its role says, and each step is in the audit log",
  async () => {
    const cwd = temporaryDirectory();
    symlinkSync(join(ROOT, "bin"), join(cwd, "bin"));
    const base = await freeBase();
    const text = readFileSync(join(ROOT, "docs/operations.md"), "utf8");
    const section = SECTION.exec(text)![1]!;
    const blocks = [...section.matchAll(BLOCK)].map(([, block]) => block);
    const lines = blocks.join("").replaceAll(/\b75(?=\$\{n\}|[0-9]{2}\b)/g, base);
    expect(lines).toContain("sleep 8\n");
    const [walk, stop] = lines
      .replace(
        "sleep 8\n",
        `for n in 1 2 3; do listens ${base}\${n}0; listens ${base}\${n}1; done\n`,
      )
      .split(/^(?=kill )/m);
    const script = `set -euo pipefail
listens() ${LISTENS}
trap 'kill %1 %2 %3' EXIT
${walk}
trap - EXIT
${stop}
wait`;
    const { stdout, stderr } = await promisify(execFile)("bash", ["-c", script], {
      ...{ cwd, env: environmentIn(cwd), timeout: 100_000 },
    }).catch((error: { stdout: string; stderr: string; message: string }) => {
      throw new Error(`${error.message}\n${error.stdout}\n${error.stderr}`);
    });
    expect(stderr).not.toMatch(/error\[/);
    for (const call of ["createOrganization", "createVault", "createApiKey", "grantRole"]) {
      expect(stdout).toContain(call);
    }
    expect(stdout).toMatch(/"verified": "[a-z]+"/);
  },
  120_000,
);

function versionOf(command: string): string {
  try {
    return execFileSync(command, ["version"], { encoding: "utf8" });
  } catch {
    return "";
  }
}

/** Contexts and pins of this walk alone. */
function environmentIn(cwd: string): NodeJS.ProcessEnv {
  const home = join(cwd, "home");
  mkdirSync(home);
  const xdg = { XDG_CONFIG_HOME: home, XDG_STATE_HOME: home, XDG_CACHE_HOME: home };
  return { PATH: process.env["PATH"], HOME: home, ...xdg };
}

async function freeBase(): Promise<string> {
  for (const base of BASES) {
    const ports = [1, 2, 3].flatMap((n) => [0, 1, 2].map((of) => Number(`${base}${n}${of}`)));
    const free = await Promise.all(ports.map(isFree));
    if (free.every(Boolean)) return base;
  }
  throw new Error("no nine ports are free");
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "localhost", () => server.close(() => resolve(true)));
  });
}
