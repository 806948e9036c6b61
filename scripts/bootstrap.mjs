/**
 * Installs the workspace's dependencies when, and only when, they are not there yet.
 *
 * A clean clone has nothing but Node 20 and npm, so this uses Node built-ins only and fetches the pinned pnpm
 * through npx. The stamp under node_modules names what was installed: the lock file, the pnpm version and the
 * Node ABI; while it matches, the script returns at once.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const stampFile = join(root, "node_modules", ".authledger-stamp");

checkNode();
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const wanted = stamp(manifest.packageManager);
if (!existsSync(stampFile) || readFileSync(stampFile, "utf8") !== wanted) {
  install(manifest.packageManager);
  writeFileSync(stampFile, wanted);
}

function checkNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  console.error(`Authledger needs Node.js 20.19 or newer; this is ${process.version}.`);
  process.exit(1);
}

function stamp(packageManager) {
  const hash = createHash("sha256");
  hash.update(readFileSync(join(root, "pnpm-lock.yaml")));
  hash.update(
    `${packageManager} abi${process.versions.modules} ${process.platform}-${process.arch}`,
  );
  return hash.digest("hex");
}

function install(packageManager) {
  const args = [
    "--yes",
    "--prefer-offline",
    packageManager,
    "install",
    "--frozen-lockfile",
    "--prefer-offline",
  ];
  args.push("--config.confirmModulesPurge=false");
  console.error("Installing dependencies (once for this lock file) ...");
  const run = spawnSync("npx", args, {
    cwd: root,
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32",
  });
  if (run.status === 0) return;
  console.error(`Installing failed. Try it by hand: npx ${args.join(" ")}`);
  process.exit(run.status ?? 1);
}
