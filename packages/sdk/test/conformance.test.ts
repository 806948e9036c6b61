/** The fake and a node in this process behave alike (a node as a process: packages/cli/test/e2e). */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogger, parseNodeConfig, type RunningNode, startNode } from "@authledger/server";
import { afterAll, beforeAll, describe } from "vitest";
import { fake, nodeSubject } from "./conformance/subjects.js";
import { conformance } from "./conformance/suite.js";

conformance(fake);

describe("a real one", () => {
  const directory = mkdtempSync(join(tmpdir(), "authledger-conformance-"));
  let node: RunningNode;

  beforeAll(async () => {
    const loopback = { listen: "127.0.0.1:0", http: "127.0.0.1:0", cache: "16MiB" };
    node = await startNode(parseNodeConfig({ ...loopback, data: directory }), {
      version: "0.0.0-test",
      logger: createLogger("silent", () => undefined),
      onFatal: (error) => {
        throw error;
      },
    });
  });

  afterAll(async () => {
    await node.close();
    rmSync(directory, { recursive: true, force: true });
  });

  conformance(nodeSubject("a node in this process", () => node.grpcAddress));
});
