/** A whole node with real credentials: what a key may do follows from its roles. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { iam } from "@authledger/proto";
import { Metadata } from "@grpc/grpc-js";
import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import { temporaryDirectory } from "../../../../test/support.js";
import { parseNodeConfig, startNode } from "../../src/index.js";
import { type CallOptions, call, connect, failureOf } from "../support/harness.js";
import { TUPLE } from "../support/requests.js";
import { binding } from "../support/tenants.js";
import { createVault } from "../support/vault.js";

function bearer(text: string): CallOptions {
  const metadata = new Metadata();
  metadata.set("authorization", `Bearer ${text}`);
  return { metadata };
}

test("a key of a node that demands credentials may do nothing, then what it was given, then nothing again", async () => {
  const data = temporaryDirectory();
  const any = { listen: "127.0.0.1:0", http: "127.0.0.1:0" };
  const config = parseNodeConfig({
    ...any,
    data,
    cache: "16MiB",
    auth: true,
    shutdownGrace: "100ms",
  });
  const logger = pino({ level: "silent" });
  const node = await startNode(config, { version: "0.0.0", logger, onFatal: () => undefined });
  onTestFinished(() => node.close());
  const client = connect(node.grpcAddress);
  const root = bearer(readFileSync(join(data, "root.key"), "utf8").trim());
  const tenant = await createVault(client, root);
  const made = await call<iam.CreateApiKeyResponse>(
    client,
    ["iam", "createApiKey"],
    { name: "app", expiresAtMs: 0n, reason: "" },
    root,
  );
  const key = bearer(made.text);
  const check = (): Promise<object> =>
    call(client, ["read", "check"], { ...tenant, tuple: TUPLE }, key);
  const about = {
    binding: binding(made.key!.principal, iam.Role.ROLE_READER, tenant),
    reason: "",
  };
  expect((await failureOf(check())).details.code).toBe("PERMISSION_DENIED");
  expect((await failureOf(call(client, ["iam", "grantRole"], about, key))).details.code).toBe(
    "PERMISSION_DENIED",
  );
  await call(client, ["iam", "grantRole"], about, root);
  expect(await check()).toMatchObject({ allowed: false });
  await call(client, ["iam", "revokeRole"], about, root);
  expect((await failureOf(check())).details.code).toBe("PERMISSION_DENIED");
});
