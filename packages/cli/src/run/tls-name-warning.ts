/**
 * Node warns of each connection with TLS to an IP address, whose name it leaves out by itself. Nobody who runs a command
 * can do anything about it, and in the log of a node it is no JSON. The certificate is held to the address all the same.
 */
const CODE = "DEP0123";

type Emitter = Pick<typeof process, "emitWarning">;
type Emit = (...given: unknown[]) => void;

/** Leaves out that warning and no other. */
export function dropTlsNameWarning(emitter: Emitter): void {
  const emit = emitter.emitWarning.bind(emitter) as Emit;
  emitter.emitWarning = (...given: unknown[]): void => {
    if (!given.includes(CODE)) emit(...given);
  };
}
