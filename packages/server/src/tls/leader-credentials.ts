/** What a node dials the leader's client port with, to pass calls on: TLS with its own certificate, read again as that is. */

import type { LedgerError } from "@authledger/types";
import { ChannelCredentials } from "@grpc/grpc-js";
import { type FileContents, ReloadedFiles } from "./reloaded-files.js";

export interface LeaderTlsFiles {
  /** Whom the leader's certificate must be of. */
  readonly ca: string;
  /** Shown to a leader that asks for a certificate. */
  readonly cert: string;
  readonly key: string;
}

export class LeaderCredentials {
  readonly #files: ReloadedFiles<ChannelCredentials>;
  #onChange: () => void = () => undefined;

  /** @throws LedgerError TLS_CONFIG */
  constructor({ ca, cert, key }: LeaderTlsFiles, onProblem?: (error: LedgerError) => void) {
    const what = "what calls are passed on to the leader with";
    this.#files = new ReloadedFiles(
      { tlsCa: ca, tlsCert: cert, tlsKey: key },
      {
        make,
        what,
        isPem: true,
        onChange: () => this.#onChange(),
        ...(onProblem && { onProblem }),
      },
    );
  }

  get current(): ChannelCredentials {
    return this.#files.current;
  }

  /** One listener, which drops the connections that were made before. */
  onChange(listener: () => void): void {
    this.#onChange = listener;
  }

  close(): void {
    this.#files.close();
  }
}

function make({ tlsCa, tlsCert, tlsKey }: FileContents): ChannelCredentials {
  return ChannelCredentials.createSsl(tlsCa!, tlsKey!, tlsCert!);
}
