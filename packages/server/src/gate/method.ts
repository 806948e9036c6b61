/** What a gate knows of an RPC before anybody calls it. */
export interface MethodInfo {
  /** As on the wire: `/authledger.v1.ReadService/Check`. */
  readonly path: string;
  /** `ReadService`. */
  readonly service: string;
  /** As the generated definition names it: `check`. */
  readonly name: string;
  readonly isStream: boolean;
}
