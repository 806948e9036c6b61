/** A node as a process behaves as the SDK's suite says, which the SDK's fake is held to as well. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { nodeSubject } from "../../../sdk/test/conformance/subjects.js";
import { conformance } from "../../../sdk/test/conformance/suite.js";
import { type NodeUnderTest, run, startNode } from "./processes.js";

const directory = mkdtempSync(join(tmpdir(), "authledger-conformance-"));
let node: NodeUnderTest;

beforeAll(async () => {
  node = await startNode(join(directory, "data"), [], run);
});

afterAll(async () => {
  await node.end("SIGTERM");
  rmSync(directory, { recursive: true, force: true });
});

conformance(nodeSubject("a node as a process", () => node.grpc));
