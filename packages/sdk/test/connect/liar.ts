/** A proxy that passes calls over HTTP on, and changes one bit of the proof of every check. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { read } from "@authledger/proto";
import { onTestFinished } from "vitest";

/** Host and port. */
export async function startLiar(node: string): Promise<string> {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { host: _, "content-length": __, connection: ___, ...headers } = request.headers;
    const answer = await fetch(`http://${node}${request.url}`, {
      method: request.method!,
      headers: headers as Record<string, string>,
      ...(chunks.length > 0 && { body: Buffer.concat(chunks) }),
    });
    const bytes = Buffer.from(await answer.arrayBuffer());
    for (const [name, value] of answer.headers) {
      if (name !== "content-length" && name !== "connection") response.setHeader(name, value);
    }
    const isCheck = request.url === read.ReadServiceService.check.path && answer.ok;
    response.writeHead(answer.status).end(isCheck && bytes.length > 0 ? changed(bytes) : bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function changed(bytes: Buffer): Uint8Array {
  const answer = read.CheckResponse.decode(bytes);
  const proof = answer.proof!;
  const stateProof = Uint8Array.from(proof.stateProof);
  stateProof[stateProof.length - 1]! ^= 1;
  return read.CheckResponse.encode({ ...answer, proof: { ...proof, stateProof } }).finish();
}
