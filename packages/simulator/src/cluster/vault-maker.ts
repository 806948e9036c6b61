/** Makes the vaults that clients work in: some at the beginning, more while the storm lasts. */
import type { EngineCall, EngineReply, EngineRequest } from "@authledger/engine";
import { ClientCalls, type ClientWorld } from "./client-calls.js";

const VAULTS_MAX = 4;
const FIRST_VAULTS = 2;
/** Between two vaults, once the first ones are there. */
const NEXT_MS = 4_000;
const ACTOR = "user:maker";

export class VaultMaker {
  readonly #world: ClientWorld;
  readonly #calls: ClientCalls;
  readonly #made: number[] = [];

  constructor(world: ClientWorld) {
    this.#world = world;
    this.#calls = new ClientCalls(world);
  }

  /** Internal ids of the vaults there are. */
  get made(): readonly number[] {
    return this.#made;
  }

  async work(): Promise<void> {
    const { organization } = await this.#sure("create_organization", {
      name: "acme",
      actor: ACTOR,
    });
    const { slug } = organization;
    while (this.#made.length < VAULTS_MAX) {
      const name = `v${this.#made.length}`;
      const { vault } = await this.#sure("create_vault", {
        organization: slug,
        name,
        actor: ACTOR,
      });
      const found = await this.#sure("resolve_vault", { organization: slug, vault: vault.slug });
      this.#made.push(found.vault);
      if (this.#made.length >= FIRST_VAULTS) await this.#world.loop.sleep(NEXT_MS);
    }
  }

  /** Nobody stops it; making a second one by mistake does no harm. */
  async #sure<C extends EngineCall>(call: C, request: EngineRequest<C>): Promise<EngineReply<C>> {
    return (await this.#calls.sure(call, request, () => false))!;
  }
}
