/** What a move of the system vault changed, for caches that keep something of it. */
import type { EngineReply } from "@authledger/engine";

type Target = EngineReply<"list_changes">["changes"][number]["target"];

export class SystemChange {
  /** Nobody knows what it was. */
  static readonly anything: SystemChange = new SystemChange(undefined);

  readonly #targets: readonly Target[] | undefined;

  constructor(targets: readonly Target[] | undefined) {
    this.#targets = targets;
  }

  /** Also rows that no block changed: the state may be another one, at the same height. */
  get isOfEverything(): boolean {
    return this.#targets === undefined;
  }

  /** Tuples that give roles, or records that say what follows from them. */
  get isAboutRoles(): boolean {
    return this.#targets?.some(({ kind }) => kind !== "entity") ?? true;
  }

  /** Entities whose keys begin so. */
  isAboutEntities(prefix: string): boolean {
    const isOne = (target: Target): boolean =>
      target.kind === "entity" && target.key.startsWith(prefix);
    return this.#targets?.some(isOne) ?? true;
  }
}
