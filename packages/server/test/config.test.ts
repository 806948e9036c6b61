/** Configuration: defaults, sizes, and the rule that keeps an open node on its own machine. */
import { describe, expect, it } from "vitest";
import { thrownBy } from "../../../test/support.js";
import { CHANNEL_OPTIONS, parseNodeConfig } from "../src/index.js";

describe("the configuration", () => {
  it("has a default for everything", () => {
    expect(parseNodeConfig({})).toEqual({
      data: "./data",
      listen: "127.0.0.1:7400",
      http: "127.0.0.1:7402",
      insecureAnyAddress: false,
      insecurePlaintext: false,
      auditLogBytes: 100 * 1024 * 1024,
      auditLogFiles: 10,
      auth: false,
      clientCert: "required",
      corsOrigins: [],
      jwt: [],
      cache: 256 * 1024 * 1024,
      clusterOrigin: undefined,
      streamsPerConnection: 1_024,
      connectionsMax: 4_000,
      logKeepEntries: 100_000,
      logKeepBytes: 256 * 1024 * 1024,
      runtime: {},
    });
  });

  it.each([
    ["64MiB", 64 * 1024 * 1024],
    ["1 GiB", 1024 ** 3],
    ["100MB", 100_000_000],
    [33_554_432, 33_554_432],
  ])("takes %s as a size", (cache, bytes) => {
    expect(parseNodeConfig({ cache }).cache).toBe(bytes);
  });

  it.each([
    ["cache", { cache: "1KiB" }],
    ["cache", { cache: "lots" }],
    ["cache", { cache: "999GiB" }],
    ["listen", { listen: "7400" }],
    ["listen", { listen: "127.0.0.1:99999" }],
    ["http", { http: "localhost" }],
    ["streamsPerConnection", { streamsPerConnection: 0 }],
    ["data", { data: "" }],
    ["logKeepEntries", { logKeepEntries: 0 }],
    ["logKeepBytes", { logKeepBytes: "1KiB" }],
  ])("refuses a wrong %s and names it", (field, input) => {
    const error = thrownBy(() => parseNodeConfig(input));
    expect([error.code, error.details["field"]]).toEqual(["USAGE", field]);
  });

  it("refuses an option that does not exist", () => {
    const input = { lisen: "127.0.0.1:1" } as object;
    expect(thrownBy(() => parseNodeConfig(input)).code).toBe("USAGE");
  });

  it.each(["127.0.0.1:1", "127.9.9.9:1", "localhost:1", "[::1]:1"])("binds %s", (listen) => {
    expect(parseNodeConfig({ listen, http: listen }).listen).toBe(listen);
  });

  it.each([
    "0.0.0.0:1",
    "[::]:1",
    "10.0.0.1:1",
    "example.com:1",
    "127.0.0.1.example.com:1",
    "127.example.com:1",
  ])("binds %s only when told to", (address) => {
    for (const input of [{ listen: address }, { http: address }]) {
      const error = thrownBy(() => parseNodeConfig(input));
      expect(error.code).toBe("USAGE");
      expect(error.message).toContain("--insecure-any-address");
      expect(parseNodeConfig({ ...input, insecureAnyAddress: true })).toMatchObject(input);
    }
  });
});

describe("who may call, and over what", () => {
  const open = { listen: "10.0.0.1:7400" };
  const tls = { tlsCert: "tls.crt", tlsKey: "tls.key" };
  const jwt = [{ issuer: "i", audience: "a", keys: "keys.json" }];

  it.each([
    [open, "listen", "--auth"],
    [{ ...open, ...tls }, "listen", "--auth"],
    [{ http: "10.0.0.1:7402" }, "http", "--auth"],
    [{ connect: "10.0.0.1:7403" }, "connect", "--auth"],
    [{ ...open, auth: true }, "listen", "--tls-cert"],
    [{ ...open, jwt }, "listen", "--insecure-plaintext"],
    [{ connect: "10.0.0.1:7403", auth: true }, "connect", "--tls-cert"],
    [{ tlsCert: "tls.crt" }, "tlsKey", "together"],
    [{ tlsKey: "tls.key" }, "tlsCert", "together"],
    [{ clientCa: "ca.pem" }, "clientCa", "--tls-cert"],
    [{ ...tls, peer: "127.0.0.1:7401" }, "tlsCa", "--tls-ca"],
    [{ jwt: [...jwt, { ...jwt[0]!, issuer: "j" }] }, "jwt", "alias"],
    [{ jwt: [{ ...jwt[0]!, keys: "http://i/keys" }] }, "jwt", "https"],
  ])("%j is refused, and the text says what to give", (input, field, says) => {
    const error = thrownBy(() => parseNodeConfig(input));
    expect([error.code, error.details]).toEqual(["USAGE", { field }]);
    expect(error.message).toContain(says);
  });

  it.each([
    [{ ...open, http: "10.0.0.1:7402", auth: true, ...tls }],
    [{ ...open, jwt, ...tls }],
    [{ ...open, ...tls, clientCa: "ca.pem" }],
    [{ ...open, auth: true, insecurePlaintext: true }],
    [{ auth: true }],
    [{ ...tls, tlsCa: "ca.pem", peer: "127.0.0.1:7401" }],
  ])("%j is served", (input) => {
    expect(parseNodeConfig(input)).toMatchObject(input);
  });
});

describe("the options of the gRPC server", () => {
  it("bound messages both ways and what HTTP/2 keeps of a connection", () => {
    const message = 8 * 1024 * 1024;
    expect(CHANNEL_OPTIONS).toMatchObject({
      "grpc.max_receive_message_length": message,
      "grpc.max_send_message_length": message,
      "grpc-node.max_session_memory": 64,
    });
  });
});
