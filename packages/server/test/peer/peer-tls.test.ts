/** Mutual TLS between nodes: certificates of the cluster's CA that stand for the node that shows them. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { rejectedBy, temporaryDirectory, thrownBy } from "../../../../test/support.js";
import { isNamedBy, openPeerCertificates, type PeerTlsFiles } from "../../src/peer/peer-tls.js";
import { Authority, HAS_OPENSSL, memberOf, TestNode, until } from "./peer-support.js";

describe("a certificate stands for a member", () => {
  const member = memberOf({ id: 1n, name: "N1", peerAddress: "n1.Example.com:7401" });
  it.each<[readonly string[] | undefined, boolean]>([
    [undefined, true],
    [[], true],
    [["n1"], true],
    [["n2", "n1.example.com"], true],
    [["*.example.com"], true],
    [["n2"], false],
    [["*.n1.example.com"], false],
    [["*.com"], false],
    [["*"], false],
    [["example.com"], false],
  ])("with the names %j: %j", (names, isNamed) => {
    expect(isNamedBy(names, member)).toBe(isNamed);
  });
});

describe("files of certificates", () => {
  it.each(["cert", "key", "ca"] as const)("the %s that cannot be read is named", (which) => {
    const pem = join(temporaryDirectory(), "a.pem");
    writeFileSync(pem, "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n");
    for (const path of [
      "/nonexistent/file.pem",
      new URL("../../package.json", import.meta.url).pathname,
    ]) {
      const files = { cert: pem, key: pem, ca: pem, [which]: path };
      const error = thrownBy(() => openPeerCertificates(files));
      const field = `peer${which[0]!.toUpperCase()}${which.slice(1)}`;
      expect([error.code, error.details["field"]]).toEqual(["TLS_CONFIG", field]);
      expect(error.message).toContain(path);
    }
  });
});

describe.skipIf(!HAS_OPENSSL)("mutual TLS", () => {
  const directory = mkdtempSync(join(tmpdir(), "authledger-test-"));
  const [inside, outside] = ["inside", "outside"].map((name) => join(directory, name));
  let [n1, n2, n9, nameless, foreign]: PeerTlsFiles[] = [];

  beforeAll(() => {
    for (const name of [inside, outside]) mkdirSync(name!);
    const ours = new Authority(inside!);
    n1 = ours.issue("n1", "DNS:n1");
    n2 = ours.issue("n2", "IP:127.0.0.1");
    n9 = ours.issue("n9", "DNS:n9");
    nameless = ours.issue("nameless", undefined);
    foreign = new Authority(outside!).issue("n1", "DNS:n1,IP:127.0.0.1");
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  const pair = async (first: PeerTlsFiles, second: PeerTlsFiles): Promise<[TestNode, TestNode]> => {
    const a = await TestNode.start({ id: 1n, tls: first });
    const b = await TestNode.start({ id: 2n, tls: second });
    a.knows(b);
    b.knows(a);
    return [a, b];
  };

  it("lets nodes talk whose certificates name them by name or by host", async () => {
    const [a, b] = await pair(n1!, n2!);
    await until("they talk", () => a.reaches(b) && b.reaches(a));
    a.say(b, "over TLS");
    b.say(a, "as well");
    await until("frames pass", () => a.frames.length === 1 && b.frames.length === 1);
    expect(await a.peers.lookup(b.member.peerAddress)).toMatchObject({ member: b.member });
  });

  it("takes a certificate without names for any node of its CA", async () => {
    const [a, b] = await pair(nameless!, nameless!);
    await until("they talk", () => a.reaches(b) && b.reaches(a));
  });

  it("refuses a certificate of another CA, on either side", async () => {
    const [a, b] = await pair(foreign!, n2!);
    await until("the problem is known", () => a.problemWith(b) !== undefined);
    expect(a.problemWith(b)).toMatch(/certificate|ECONNRESET|socket|alert/i);
    expect([a.reaches(b), b.reaches(a)]).toEqual([false, false]);
    expect(b.events).toEqual([]);
    const error = await rejectedBy(b.peers.lookup(a.member.peerAddress));
    expect(error.code).toBe("UNAVAILABLE");
  });

  it("INV-PEER-5: refuses a node whose certificate names another, and tells it", async () => {
    const [a, b] = await pair(n9!, n2!);
    // Its name, its host: neither is in the certificate of n9.
    await until("it is told", () => a.refusals.length > 0);
    expect(a.refusals[0]).toEqual([2n, "certificate"]);
    expect(a.problemWith(b)).toContain("its certificate names neither");
    const error = await rejectedBy(b.peers.lookup(a.member.peerAddress));
    expect([error.code, error.details["reason"]]).toEqual(["PEER_REFUSED", "certificate"]);
  });

  it("refuses who shows no certificate", async () => {
    const b = await TestNode.start({ id: 2n, tls: n2! });
    const plain = await TestNode.start({ id: 1n });
    plain.knows(b);
    await until("the problem is known", () => plain.problemWith(b) !== undefined);
    const socket = connect({
      port: b.peers.port,
      host: "127.0.0.1",
      ca: readFileSync(n2!.ca),
      ALPNProtocols: ["h2"],
      checkServerIdentity: () => undefined,
    });
    const ended = new Promise<string>((resolve) => {
      socket.on("error", (error) => resolve(error.message));
      socket.on("close", () => resolve("closed"));
    });
    expect(await ended).toMatch(/certificate required|handshake|closed/i);
    expect(b.peers.stats()).toEqual([]);
  });
});

describe("without certificates", () => {
  it("a node beyond this machine is not dialed, and the problem says what to give", async () => {
    const a = await TestNode.start({ id: 1n });
    const b = memberOf({ id: 2n, peerAddress: "192.0.2.1:7401" });
    a.knows(b);
    await until("the problem is known", () => a.peers.link(b.nodeId)?.problem !== undefined);
    expect(a.peers.link(b.nodeId)?.problem).toContain("peer-cert, peer-key and peer-ca");
    const error = await rejectedBy(a.peers.lookup("192.0.2.1:7401"));
    expect([error.code, error.details["field"]]).toEqual(["USAGE", "peerCert"]);
  });
});
