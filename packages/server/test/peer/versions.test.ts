/** Nodes of two versions side by side, over the real transport: the other version is played by what it would say and answer. */
import { FrameKind, PEER_PROTOCOL_VERSION } from "@authledger/engine";
import { peer } from "@authledger/proto";
import { groupId } from "@authledger/types";
import {
  Client,
  type ClientDuplexStream,
  credentials,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
} from "@grpc/grpc-js";
import { describe, expect, it, onTestFinished } from "vitest";
import { encodeBatch } from "../../src/peer/frame-batch.js";
import { encodeHello, type Hello, helloTo } from "../../src/peer/handshake.js";
import { CLUSTER, memberOf, startCluster, TestNode, until } from "./peer-support.js";

const { connect } = peer.PeerServiceService;
const THEIRS = PEER_PROTOCOL_VERSION + 5;
const NEWER_ONLY = { protocolVersion: THEIRS, protocolVersionOldest: THEIRS };
const OLDER = { protocolVersion: PEER_PROTOCOL_VERSION - 1, protocolVersionOldest: 1 };

interface Dialed {
  readonly answers: readonly peer.ConnectResponse[];
  readonly call: ClientDuplexStream<peer.ConnectRequest, peer.ConnectResponse>;
}

/** A node of another version that dials; what it is answered. */
function dialAs(node: TestNode, about: Partial<Hello>): Dialed {
  const client = new Client(node.member.peerAddress, credentials.createInsecure());
  const call = client.makeBidiStreamRequest(
    connect.path,
    connect.requestSerialize,
    connect.responseDeserialize,
  );
  const answers: peer.ConnectResponse[] = [];
  call.on("data", (answer: peer.ConnectResponse) => answers.push(answer));
  call.on("error", () => undefined);
  onTestFinished(() => client.close());
  const member = memberOf({ id: 9n, name: "other", peerAddress: "127.0.0.1:1" });
  const hello = { ...helloTo({ member, clusterId: CLUSTER }, node.member), ...about };
  call.write({ content: { $case: "hello", value: encodeHello(hello) } });
  return { answers, call };
}

/** A node of another version that is dialed. */
async function answerAs(about: Partial<Hello>): Promise<ReturnType<typeof memberOf>> {
  const server = new Server();
  let member = memberOf({ id: 9n, name: "other", peerAddress: "" });
  server.addService(peer.PeerServiceService, {
    connect: (call: ServerDuplexStream<peer.ConnectRequest, object>) => {
      call.on("error", () => undefined);
      call.on("data", ({ content }: peer.ConnectRequest) => {
        if (content?.$case !== "hello") return;
        const own = helloTo({ member, clusterId: CLUSTER }, memberOf({ id: 1n, peerAddress: "" }));
        call.write({ content: { $case: "hello", value: encodeHello({ ...own, ...about }) } });
      });
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  onTestFinished(() => server.forceShutdown());
  member = memberOf({ id: 9n, name: "other", peerAddress: `127.0.0.1:${port}` });
  return member;
}

describe("INV-PEER-5: a node of a version that does not overlap", () => {
  it("is refused when it dials, hears why, the log says both versions, and the others go on", async () => {
    const [a, b] = (await startCluster(1n, 2n)) as [TestNode, TestNode];
    const { answers } = dialAs(a, NEWER_ONLY);
    await until("it is answered", () => answers.length > 0);
    const { content } = answers[0]!;
    expect(content?.$case).toBe("refusal");
    if (content?.$case === "refusal") expect(content.value.reason).toBe("protocol");
    const told = a.events.find(({ event }) => event === "refused");
    expect(told).toMatchObject({ event: "refused", name: "other" });
    expect(told?.why).toMatch(
      new RegExp(
        `it speaks ${THEIRS} to ${THEIRS}, this node 1 to ${PEER_PROTOCOL_VERSION}; upgrade`,
      ),
    );
    a.say(b, "still here");
    await until("frames pass", () => b.texts.includes("still here"));
    expect(a.reaches(b)).toBe(true);
  });

  it("is refused when it is dialed, and the status of its link says why", async () => {
    const a = await TestNode.start({ id: 1n });
    const other = await answerAs(NEWER_ONLY);
    a.knows(other);
    await until("it is refused", () => a.events.some(({ event }) => event === "refused"));
    await until("the link says so", () => a.peers.link(other.nodeId)?.problem !== undefined);
    const link = a.peers.link(other.nodeId);
    expect(link?.isConnected).toBe(false);
    expect(link?.problem).toContain(`it speaks ${THEIRS} to ${THEIRS}`);
  });

  it("is refused for other data, whatever it says over the stream", async () => {
    const a = await TestNode.start({ id: 1n });
    const { answers } = dialAs(a, { formatVersion: 99 });
    await until("it is answered", () => answers.length > 0);
    expect(a.events[0]?.why).toMatch(/its version is 99, that of this node \d+/);
  });
});

describe("a node of an older version that overlaps", () => {
  it("is let in, and the engine learns what it speaks (INV-PEER-6)", async () => {
    const a = await TestNode.start({ id: 1n });
    const { answers } = dialAs(a, OLDER);
    await until("it is answered", () => answers.length > 0);
    expect(answers[0]!.content?.$case).toBe("hello");
    expect(a.versions).toEqual([[9n, PEER_PROTOCOL_VERSION - 1]]);
  });

  it("may send kinds of frames that are not known: they are left out, those around them are not", async () => {
    const a = await TestNode.start({ id: 1n });
    const { answers, call } = dialAs(a, { ...NEWER_ONLY, protocolVersionOldest: 1 });
    await until("it is answered", () => answers.length > 0);
    const frame = (kind: number, text: string) => ({
      ...{ kind: kind as FrameKind, group: groupId(1) },
      payload: Buffer.from(text),
    });
    const frames = [
      frame(FrameKind.raft, "before"),
      frame(200, "of the future"),
      frame(FrameKind.raft, "after"),
    ];
    call.write(peer.ConnectRequest.decode(encodeBatch(frames)));
    await until("frames arrive", () => a.frames.length === 2);
    expect(a.texts).toEqual(["before", "after"]);
  });
});
