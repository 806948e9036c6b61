/** A name server on this machine that answers what it is told, so that names are really resolved. RFC 1035, RFC 2782. */
import { createSocket, type RemoteInfo } from "node:dgram";
import { ByteReader, ByteWriter } from "@authledger/types";
import { onTestFinished } from "vitest";

export type DnsRecord =
  | { readonly type: "A"; readonly address: readonly number[] }
  | { readonly type: "AAAA"; readonly address: readonly number[] }
  | { readonly type: "SRV"; readonly port: number; readonly target: string };

const TYPES = { A: 1, AAAA: 28, SRV: 33 } as const;
const NO_SUCH_NAME = 3;
const SERVER_FAILURE = 2;

export class DnsServer {
  /** By name. A name that is missing does not exist. */
  readonly records = new Map<string, readonly DnsRecord[]>();
  isBroken = false;
  questions = 0;
  readonly address: string;

  private constructor(address: string) {
    this.address = address;
  }

  static async start(): Promise<DnsServer> {
    const socket = createSocket("udp4");
    await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
    const server = new DnsServer(`127.0.0.1:${socket.address().port}`);
    socket.on("message", (query: Buffer, from: RemoteInfo) => {
      socket.send(server.#answer(query), from.port, from.address);
    });
    onTestFinished(() => void socket.close());
    return server;
  }

  #answer(query: Buffer): Uint8Array {
    this.questions++;
    const r = new ByteReader(query, "DNS query");
    const id = r.u16("id");
    r.bytes(10, "header");
    const start = r.offset;
    const name = readName(r);
    const type = r.u16("type");
    r.u16("class");
    const question = query.subarray(start, r.offset);
    const known = this.records.get(name);
    const answers = (known ?? []).filter((record) => TYPES[record.type] === type);
    const failure = known === undefined ? NO_SUCH_NAME : 0;
    const code = this.isBroken ? SERVER_FAILURE : failure;
    const w = new ByteWriter(512).u16(id).u16(0x8180 | code);
    w.u16(1).u16(answers.length).u16(0).u16(0).bytes(question);
    for (const record of answers) {
      // The name is that of the question, at byte 12.
      const data = dataOf(record);
      w.u16(0xc00c).u16(type).u16(1).u32(0).u16(data.length).bytes(data);
    }
    return w.finish();
  }
}

function readName(r: ByteReader): string {
  const labels: string[] = [];
  for (let length = r.u8("label"); length > 0; length = r.u8("label")) {
    labels.push(Buffer.from(r.bytes(length, "label")).toString("ascii"));
  }
  return labels.join(".").toLowerCase();
}

function dataOf(record: DnsRecord): Uint8Array {
  if (record.type !== "SRV") return Uint8Array.from(record.address);
  const w = new ByteWriter(64).u16(1).u16(1).u16(record.port);
  for (const label of record.target.split(".")) w.u8(label.length).utf8(label);
  return w.u8(0).finish();
}
