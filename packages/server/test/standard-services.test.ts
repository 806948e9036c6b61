/** Health and reflection, asked by a client that has none of our definitions. */
import { setTimeout as sleep } from "node:timers/promises";
import { Reflection } from "@authledger/proto";
import { type Client, type ClientReadableStream, Metadata } from "@grpc/grpc-js";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { connect, errorOf, send, startHarness } from "./support/harness.js";
import { SilentClient } from "./support/silent-client.js";
import { wireBytes, wireNumber, wireText, wireTexts } from "./support/wire.js";

const OURS = [
  "authledger.v1.AdminService",
  "authledger.v1.AuthorizationService",
  "authledger.v1.ClusterService",
  "authledger.v1.IamService",
  "authledger.v1.ModelService",
  "authledger.v1.ReadService",
  "authledger.v1.WriteService",
];
const CHECK = "/grpc.health.v1.Health/Check";

function watch(client: Client, service: string): ClientReadableStream<Buffer> {
  return client.makeServerStreamRequest(
    "/grpc.health.v1.Health/Watch",
    (bytes: Buffer) => bytes,
    (bytes: Buffer) => bytes,
    wireText(1, service),
    new Metadata(),
  );
}

/** Collects the statuses of a watch. */
class Statuses {
  readonly seen: number[] = [];
  #wake = (): void => undefined;

  constructor(stream: ClientReadableStream<Buffer>) {
    stream.on("data", (bytes: Buffer) => {
      this.seen.push(wireNumber(bytes, 1));
      this.#wake();
    });
    stream.on("error", () => undefined);
  }

  async reach(count: number): Promise<number[]> {
    while (this.seen.length < count) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.seen;
  }
}

describe("health", () => {
  it("answers for the node and for each service, as they change", async () => {
    const h = await startHarness();
    const ask = async (service: string): Promise<number> =>
      wireNumber(await send(h.client, CHECK, wireText(1, service)), 1);
    for (const service of ["", ...OURS]) expect(await ask(service)).toBe(2);
    h.health.isServing = true;
    for (const service of ["", ...OURS]) expect(await ask(service)).toBe(1);
  });

  it("does not know other services", async () => {
    const h = await startHarness();
    expect((await errorOf(send(h.client, CHECK, wireText(1, "x.Y")))).code).toBe(5);
    const stream = watch(h.client, "x.Y");
    expect(await new Statuses(stream).reach(1)).toEqual([3]);
    stream.cancel();
  });

  it("tells watchers each change, and ends their streams when the node stops", async () => {
    const h = await startHarness();
    const stream = watch(h.client, OURS[1]!);
    const statuses = new Statuses(stream);
    await statuses.reach(1);
    h.health.isServing = true;
    await statuses.reach(2);
    h.health.isServing = false;
    expect(await statuses.reach(3)).toEqual([2, 1, 2]);
    const ended = new Promise<void>((resolve) => stream.on("end", resolve));
    h.health.endWatches();
    await ended;
  });

  it("forgets watchers that went away", async () => {
    const h = await startHarness();
    const gone = connect(h.address);
    const stream = watch(gone, "");
    await new Statuses(stream).reach(1);
    stream.cancel();
    gone.close();
    h.health.isServing = true;
    const other = watch(h.client, "");
    expect(await new Statuses(other).reach(1)).toEqual([1]);
    other.cancel();
  });
});

describe.each(["v1", "v1alpha"])("reflection %s", (version) => {
  const path = `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`;

  /** One question; the bytes of the ServerReflectionResponse. */
  function ask(client: Client, question: Buffer): Promise<Buffer> {
    const stream = client.makeBidiStreamRequest(
      path,
      (bytes: Buffer) => bytes,
      (bytes: Buffer) => bytes,
      new Metadata(),
    );
    return new Promise((resolve, reject) => {
      stream.on("data", (answer: Buffer) => {
        resolve(answer);
        stream.end();
      });
      stream.on("error", reject);
      stream.write(question);
    });
  }

  /** Names of the files in a FileDescriptorResponse. */
  const filesOf = (answer: Uint8Array): string[] =>
    wireBytes(wireBytes(answer, 4)[0] ?? new Uint8Array(0), 1).map(
      (file) => wireTexts(file, 1)[0]!,
    );

  it("lists our services and repeats the question", async () => {
    const h = await startHarness();
    const question = wireText(7, "*");
    const answer = await ask(h.client, question);
    const services = wireBytes(wireBytes(answer, 6)[0]!, 1).map((s) => wireTexts(s, 1)[0]);
    expect([...services].sort()).toEqual([...OURS, "grpc.health.v1.Health"]);
    expect([...wireBytes(answer, 2)[0]!]).toEqual([...question]);
  });

  it.each([
    ["a service", "authledger.v1.ReadService", "authledger/v1/read.proto"],
    ["a method", "authledger.v1.WriteService.BatchWrite", "authledger/v1/write.proto"],
    ["a message", "authledger.v1.Tuple", "authledger/v1/common.proto"],
    ["a nested message", "authledger.v1.Consistency.Any", "authledger/v1/common.proto"],
    ["an enum", "authledger.v1.VaultStatus", "authledger/v1/admin.proto"],
    ["health", "grpc.health.v1.Health", "grpc/health/v1/health.proto"],
  ])("finds %s with every file that it needs", async (_, symbol, file) => {
    const h = await startHarness();
    const files = filesOf(await ask(h.client, wireText(4, symbol)));
    expect(files).toContain(file);
    const standsAlone = ["authledger/v1/admin.proto", "grpc/health/v1/health.proto"].includes(file);
    if (!standsAlone) expect(files).toContain("authledger/v1/common.proto");
  });

  it("finds a file by its name", async () => {
    const h = await startHarness();
    const files = filesOf(await ask(h.client, wireText(3, "authledger/v1/errors.proto")));
    expect(files).toEqual(["authledger/v1/errors.proto"]);
  });

  it("does not answer on where nobody reads: answers are much larger than questions", async () => {
    const h = await startHarness();
    const answered = vi.spyOn(Reflection.prototype, "answer");
    onTestFinished(() => answered.mockRestore());
    const asked = 1_500;
    const client = await SilentClient.open(h.address, 65_535);
    await client.askOften(path, wireText(4, "authledger.v1.ReadService"), asked);
    // At rest: what has filled the window and the buffers stays.
    let before = -1;
    while (answered.mock.calls.length === 0 || answered.mock.calls.length !== before) {
      before = answered.mock.calls.length;
      await sleep(200);
    }
    expect(before).toBeLessThan(asked / 10);
  });

  it("says that something is not there", async () => {
    const h = await startHarness();
    for (const question of [wireText(3, "no.proto"), wireText(4, "no.Symbol")]) {
      const error = wireBytes(await ask(h.client, question), 7)[0]!;
      expect(wireNumber(error, 1)).toBe(5);
    }
  });
});
