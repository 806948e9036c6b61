/** TLS for clients over real sockets: who gets through, who they are, and a certificate that is replaced. */

import { once } from "node:events";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TLSSocket, connect as tlsConnect } from "node:tls";
import type { LedgerError } from "@authledger/types";
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import { afterAll, describe, expect, it, onTestFinished, test } from "vitest";
import { temporaryDirectory, thrownBy } from "../../../../test/support.js";
import { Authenticator } from "../../src/authn/authenticator.js";
import { unauthenticated } from "../../src/authn/credential-source.js";
import { ForwardedIdentity } from "../../src/authn/forwarded-identity.js";
import { Connections } from "../../src/connections.js";
import { AuthenticateStep } from "../../src/gate/authenticate.js";
import { GatedCall } from "../../src/gate/gated-call.js";
import type { Principal } from "../../src/gate/principal.js";
import { TlsFront, type TlsFrontOptions } from "../../src/tls/tls-front.js";
import { Authority, freePort, HAS_OPENSSL, until } from "../peer/peer-support.js";
import { call, errorOf, failureOf, startHarness } from "../support/harness.js";

const authority = HAS_OPENSSL
  ? new Authority(mkdtempSync(join(tmpdir(), "authledger-tls-")))
  : undefined;
afterAll(() => {
  if (authority !== undefined) rmSync(authority.directory, { recursive: true });
});

const read = (path: string): Buffer => readFileSync(path);

interface Served {
  readonly address: string;
  readonly front: TlsFront;
  readonly problems: LedgerError[];
  /** Names of who called. */
  readonly seen: string[];
  readonly tenant: object;
  readonly files: { readonly cert: string; readonly key: string; readonly ca: string };
}

/** A server whose certificate lies in files of its own. */
async function serve(options: Partial<TlsFrontOptions> = {}): Promise<Served> {
  const issued = authority!.issue("server", "DNS:localhost,IP:127.0.0.1");
  const directory = temporaryDirectory();
  const files = { ...issued, cert: join(directory, "tls.crt"), key: join(directory, "tls.key") };
  copyFileSync(issued.cert, files.cert);
  copyFileSync(issued.key, files.key);
  const problems: LedgerError[] = [];
  const front = new TlsFront({
    ...{ cert: files.cert, key: files.key, requireClientCert: false, pollMs: 20, ...options },
    onProblem: (error) => problems.push(error),
  });
  onTestFinished(() => front.close());
  const keys = { generation: 1, verify: () => Promise.reject(unauthenticated()) };
  const step = new AuthenticateStep({
    authenticator: new Authenticator({ keys }),
    identity: new ForwardedIdentity(() => undefined),
    certificateOf: (peer) => front.principalOf(peer),
    isRequired: () => true,
    hasRoot: () => true,
  });
  const seen: string[] = [];
  const observer = { enter: ({ principal }: GatedCall) => void seen.push(principal.name) };
  const { address, tenant } = await startHarness({ steps: [step, observer], tls: front });
  return { address, front, problems, seen, tenant, files };
}

function client({ address, files }: Served, own?: { readonly cert: string; readonly key: string }) {
  const channel = credentials.createSsl(
    read(files.ca),
    own && read(own.key),
    own && read(own.cert),
  );
  const made = new Client(address.replace("127.0.0.1", "localhost"), channel);
  onTestFinished(() => made.close());
  return made;
}

function ask(to: Client): Promise<unknown> {
  return call(to, ["admin", "getNodeInfo"], {});
}

/** Serial number of the certificate that a new connection is shown. */
function serialOf({ address, files }: Served): Promise<string> {
  const port = Number(address.split(":")[1]);
  return new Promise((resolve, reject) => {
    const socket = tlsConnect(
      { port, host: "127.0.0.1", ca: read(files.ca), ALPNProtocols: ["h2"] },
      () => {
        resolve(socket.getPeerCertificate().serialNumber);
        socket.destroy();
      },
    );
    socket.once("error", reject);
  });
}

// A watch that was opened a second before the certificate's end gave its client the vault for ever.
test("INV-AUTHN-10: a call that stays open ends when the certificate of its connection has expired, or is another one's", async () => {
  let certified: Principal | undefined = { kind: "certificate", name: "cert:a" };
  const keys = { generation: 1, verify: () => Promise.reject(unauthenticated()) };
  const step = new AuthenticateStep({
    authenticator: new Authenticator({ keys }),
    identity: new ForwardedIdentity(() => undefined),
    certificateOf: () => certified,
    isRequired: () => false,
    hasRoot: () => true,
  });
  const wire = { metadata: new Metadata(), request: {}, getPeer: () => "", getDeadline: () => 0 };
  const watch = new GatedCall({ path: "/p", service: "S", name: "m", isStream: true }, wire, 0);
  await step.enter(watch);
  await step.again(watch);
  for (const now of [undefined, { kind: "certificate", name: "cert:b" } as const]) {
    certified = now;
    expect(thrownBy(() => step.again(watch)).code).toBe("UNAUTHENTICATED");
  }
});

describe.runIf(HAS_OPENSSL)("TLS for clients", () => {
  it("names who calls by the certificate: the URI, else the common name", async () => {
    const served = await serve({ clientCa: authority!.issue("ca-only", undefined).ca });
    const named = authority!.issue("batch-job", "DNS:job.example");
    await ask(client(served, named));
    const spiffe = authority!.issue("workload", "URI:spiffe://example/ns/a,DNS:w.example");
    await ask(client(served, spiffe));
    expect(served.seen).toEqual(["cert:batch-job", "cert:spiffe://example/ns/a"]);
  });

  it("lets a client without a certificate through the handshake only where it may come without", async () => {
    const clientCa = authority!.issue("ca-again", undefined).ca;
    const optional = await serve({ clientCa });
    expect((await failureOf(ask(client(optional)))).details.code).toBe("UNAUTHENTICATED");
    const required = await serve({ clientCa, requireClientCert: true });
    expect((await errorOf(ask(client(required)))).code).toBe(14);
    expect(required.seen).toEqual([]);
    await ask(client(required, authority!.issue("let-in", undefined)));
    expect(required.seen).toEqual(["cert:let-in"]);
  });

  // The gate asks by the client's address and port: a connection without a certificate from the port of one with a certificate, to
  // the other port of the node, had the other's name.
  it("INV-CONN-4: gives nobody the name of another connection that has the same port of their client", async () => {
    const issued = authority!.issue("two-ports", "DNS:localhost,IP:127.0.0.1");
    const clientCa = authority!.issue("ca-two-ports", undefined).ca;
    const front = new TlsFront({ ...issued, clientCa, requireClientCert: false });
    onTestFinished(() => front.close());
    const connections = new Connections();
    const through: string[] = [];
    const [h2, http] = await Promise.all(
      (["h2", "http/1.1"] as const).map(async (protocol) => {
        const accept = front.accepting(() => through.push(protocol), protocol);
        const server = await connections.listen("127.0.0.1", 0, accept);
        onTestFinished(() => void server.close());
        return (server.address() as AddressInfo).port;
      }),
    );
    const localPort = await freePort();
    const dial = (port: number, protocol: string, rest: object = {}): TLSSocket => {
      const about = { port, localPort, host: "127.0.0.1", ca: read(issued.ca) };
      const socket = tlsConnect({ ...about, ALPNProtocols: [protocol], ...rest });
      onTestFinished(() => void socket.destroy());
      return socket.on("error", () => undefined);
    };
    const victim = authority!.issue("victim", undefined);
    dial(h2!, "h2", { cert: read(victim.cert), key: read(victim.key) });
    await until("it is known", () => through.length === 1);
    const theirs = dial(http!, "http/1.1");
    await once(theirs, "connect");
    await until("the other is answered", () => theirs.closed || through.length > 1);
    expect(through).toEqual(["h2"]);
    expect(front.principalOf(`127.0.0.1:${localPort}`)?.name).toBe("cert:victim");
  });

  it("takes no name from a certificate of another CA", async () => {
    const served = await serve({ clientCa: authority!.issue("mine", undefined).ca });
    const directory = mkdtempSync(join(tmpdir(), "authledger-evil-"));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const evil = new Authority(directory).issue("root", undefined);
    const failure = await errorOf(ask(client(served, evil)));
    expect([14, 16]).toContain(failure.code);
    expect(served.seen).toEqual([]);
  });

  it("INV-TLS-1: takes a new certificate for new connections, keeps those that live, and stays as it is for a broken one", async () => {
    const served = await serve({ clientCa: authority!.issue("rotation", undefined).ca });
    const living = client(served, authority!.issue("longlived", undefined));
    await ask(living);
    const before = await serialOf(served);
    const next = authority!.issue("server-next", "DNS:localhost,IP:127.0.0.1");
    copyFileSync(next.cert, served.files.cert);
    await until("it is told that the key is another one's", () => served.problems.length === 1);
    expect(served.problems[0]!.code).toBe("TLS_CONFIG");
    expect(await serialOf(served)).toBe(before);
    copyFileSync(next.key, served.files.key);
    const problems = served.problems.length;
    await until("the new one is in use", () => !served.problems[problems]);
    let now = before;
    for (let i = 0; i < 100 && now === before; i++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      now = await serialOf(served);
    }
    expect(now).not.toBe(before);
    await ask(living);
    writeFileSync(served.files.cert, "nothing");
    await until("the broken file is told", () => served.problems.length === 2);
    expect(await serialOf(served)).toBe(now);
    expect(served.front.expiresAtMs).toBeGreaterThan(Date.now());
  });

  it("does not start with files that cannot be used, and names them", () => {
    const one = authority!.issue("one", undefined);
    const two = authority!.issue("two", undefined);
    const attempts = [
      { cert: one.cert, key: two.key },
      { cert: "/nowhere/tls.crt", key: one.key },
      { cert: one.cert, key: one.key, clientCa: "/nowhere/ca.pem" },
    ];
    for (const files of attempts) {
      const error = thrownBy(() => new TlsFront({ ...files, requireClientCert: false }));
      expect(error.code).toBe("TLS_CONFIG");
    }
  });
});
