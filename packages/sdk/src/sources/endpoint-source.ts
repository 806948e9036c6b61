/** Where a client finds the nodes that it is given, when that may change while it runs. */

export interface EndpointSource {
  /** host:port of one or more nodes, 1 to 32. Asked before the first call, and again every `refreshMs`. */
  addresses(): Promise<readonly string[]>;
  /** In milliseconds. Default 30,000. */
  readonly refreshMs?: number | undefined;
}
