/** Each way in which an endpoint can be the wrong one, with a real socket that misbehaves that way. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer as createHttp } from "node:http";
import { createServer as createHttp2 } from "node:http2";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { createServer as createTls } from "node:tls";
import { LedgerError } from "@authledger/types";
import { describe, expect, it, onTestFinished } from "vitest";
import { temporaryDirectory } from "../../../../test/support.js";
import { diagnose, diagnoseAnswer } from "../../src/run/probe.js";
import { proxyFor } from "../../src/run/proxy.js";
import { cliHere, startNode } from "../e2e/processes.js";

/** Makes a certificate that is nobody's. */
const HAS_OPENSSL = spawnSync("openssl", ["version"]).status === 0;
const GRPC_REPLY = { ":status": 200, "content-type": "application/grpc" };

async function listening(server: Pick<Server, "listen" | "address" | "close">): Promise<string> {
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  onTestFinished(() => void server.close());
  return `127.0.0.1:${(server.address() as { port: number }).port}`;
}

/** A server that does this with each connection. */
function tcp(serve: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
  });
  return listening(
    createServer((socket) => {
      sockets.add(socket.on("error", () => undefined));
      serve(socket);
    }),
  );
}

/** A server of gRPC that answers every call with this status. */
function grpc(status: number, headers: Readonly<Record<string, string>> = {}): Promise<string> {
  const server = createHttp2();
  server.on("session", (session) => void onTestFinished(() => session.destroy()));
  server.on("stream", (stream) => {
    stream.on("error", () => undefined);
    stream.respond(
      { ...GRPC_REPLY, ...headers, "grpc-status": String(status) },
      { endStream: true },
    );
  });
  return listening(server);
}

/** What the command line says of an endpoint, without its first line. */
async function said(endpoint: string, ...more: readonly string[]): Promise<string> {
  const { end, err } = await cliHere([
    "org",
    "list",
    "-e",
    endpoint,
    "--timeout",
    "900ms",
    ...more,
  ]);
  expect([end, err.split("\n")[0]]).toEqual([6, expect.stringMatching(/^error\[[A-Z_]+\]: /)]);
  expect(err).toMatch(/\n {2}try: .+ {5}docs: errors#[a-z-]+( {3}id: \S+)?\n$/);
  return err;
}

describe("an endpoint that is the wrong one is told with what is there:", () => {
  it("nothing, and where the node may be instead", async () => {
    expect(await said("127.0.0.1:1")).toMatch(
      /connection refused.*\n {2}try: (authledger start --listen|--endpoint)/,
    );
  });

  it("a host without a name", async () => {
    expect(await said("no-such-host.invalid:7400")).toContain(
      'DNS: no such host "no-such-host.invalid"',
    );
  });

  it("the HTTP port of a node", async () => {
    const { http } = await startNode(join(temporaryDirectory(), "data"));
    expect(await said(http)).toContain("wrong port? it is the HTTP port of a node");
  });

  it("a web server, with its name", async () => {
    const server = createHttp((_request, response) => {
      response.setHeader("server", "nginx/1.25").end("hello");
    });
    expect(await said(await listening(server))).toContain(
      "it speaks HTTP/1, not gRPC (nginx/1.25)",
    );
  });

  it("an HTTP proxy", async () => {
    const server = createHttp((_request, response) => {
      response.writeHead(407, { "proxy-authenticate": "Basic realm=corp" }).end();
    });
    expect(await said(await listening(server))).toMatch(
      /an HTTP proxy answers \(status 407, proxy-auth/i,
    );
  });

  it.skipIf(!HAS_OPENSSL)(
    "TLS where plaintext is spoken, with the name of the certificate",
    async () => {
      const directory = temporaryDirectory();
      const [key, cert] = [join(directory, "key.pem"), join(directory, "cert.pem")];
      const made = spawnSync("openssl", [
        ..."req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1".split(" "),
        ...["-subj", "/CN=n2.internal", "-keyout", key, "-out", cert],
      ]);
      expect(made.status).toBe(0);
      const server = createTls({ key: readFileSync(key), cert: readFileSync(cert) });
      server.on("tlsClientError", () => undefined);
      server.on("secureConnection", (socket) => socket.on("error", () => undefined));
      const text = await said(await listening(server));
      expect(text).toContain(
        'speaks TLS (certificate for "n2.internal"); this client speaks plaintext',
      );
    },
  );

  it("another service that greets, such as SSH", async () => {
    const endpoint = await tcp((socket) => socket.write("SSH-2.0-OpenSSH_9.6\r\n"));
    expect(await said(endpoint)).toContain('it says "SSH-2.0-OpenSSH_9.6"');
  });

  it("silence", async () => {
    expect(await said(await tcp(() => undefined))).toContain(
      "accepts connections and says nothing",
    );
  });

  it("a door that is shut at once", async () => {
    const endpoint = await tcp((socket) => socket.destroy());
    expect(await said(endpoint)).toContain("accepts connections and closes them at once");
  });

  it("another gRPC service", async () => {
    const endpoint = await grpc(12);
    const { end, err } = await cliHere(["org", "list", "-e", endpoint]);
    expect([end, err.split(":")[0]]).toEqual([2, "error[UNIMPLEMENTED]"]);
    expect(err).toContain("another gRPC service is on port");
  });

  it("a node that does not answer in time, and is there", async () => {
    const endpoint = await grpc(0);
    const late = new LedgerError("DEADLINE_EXCEEDED", "late", { details: { endpoint } });
    const found = await diagnoseAnswer(late, []);
    expect(found?.cause).toMatch(/^the node answers other calls \(in [0-9]+ ms\)/);
    expect(found?.advice).toContain("--timeout");
  });

  it("a clock that is wrong", async () => {
    const aheadMs = 93_000;
    for (const [ahead, words] of [
      [aheadMs, /the node is 9[234] s ahead of/],
      [-aheadMs, /the node is 9[234] s behind/],
    ] as const) {
      const endpoint = await grpc(0, { date: new Date(Date.now() + ahead).toUTCString() });
      const stale = new LedgerError("PROOF_STALE", "old", { details: { endpoint } });
      expect((await diagnoseAnswer(stale, []))?.cause).toMatch(words);
    }
    const { grpc: right } = await startNode(join(temporaryDirectory(), "data"));
    const stale = new LedgerError("PROOF_STALE", "old", { details: { endpoint: right } });
    expect(await diagnoseAnswer(stale, [])).toBeUndefined();
  });

  it("a proxy that the environment names, without its password", async () => {
    const env = { https_proxy: "http://me:secret@proxy:3128", no_proxy: "localhost, .internal" };
    const failure = {
      endpoint: "10.0.0.1:7400",
      cause: "refused",
      message: "connection refused",
    } as const;
    expect(await diagnose(failure, env)).toMatchObject({
      cause: "connection refused, through the proxy http://***@proxy:3128 that https_proxy names",
      advice: "no_proxy=10.0.0.1 authledger ...",
    });
    expect(proxyFor("n1.internal", env)).toBeUndefined();
    expect(proxyFor("localhost", env)).toBeUndefined();
    expect(proxyFor("n1", { ...env, grpc_proxy: "http://g:1" })?.variable).toBe("grpc_proxy");
    expect(proxyFor("n1", {})).toBeUndefined();
  });

  it("and as a line of JSON for programs", async () => {
    const text = await saidInJson(await tcp((socket) => socket.destroy()));
    expect(JSON.parse(text)).toMatchObject({
      level: "error",
      code: "UNAVAILABLE",
      exit_code: 6,
      docs: "errors#unavailable",
      endpoints: [{ cause: expect.stringContaining("closes them at once") }],
    });
  });
});

async function saidInJson(endpoint: string): Promise<string> {
  const args = ["org", "list", "-e", endpoint, "--timeout", "900ms", "--log-format", "json"];
  return (await cliHere(args)).err;
}
