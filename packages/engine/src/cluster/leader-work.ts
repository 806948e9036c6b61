/**
 * What only a leader does beside proposing: begins once its state is what all leaders before have left, and ends when it
 * leads no more. What is in flight then fails as its proposals do.
 */
export interface LeaderService {
  start(): void;
  stop(): Promise<void>;
}

export class LeaderWork {
  readonly #services: readonly LeaderService[];
  #isLeading = false;
  #isOver = false;

  constructor(services: readonly LeaderService[]) {
    this.#services = services;
  }

  get isLeading(): boolean {
    return this.#isLeading;
  }

  lead(isLeading: boolean): void {
    if (isLeading === this.#isLeading || this.#isOver) return;
    this.#isLeading = isLeading;
    for (const service of this.#services) {
      if (isLeading) service.start();
      else void service.stop();
    }
  }

  /** Ends for good; resolves when nothing of it is in flight. */
  async end(): Promise<void> {
    this.#isOver = true;
    this.#isLeading = false;
    await Promise.all(this.#services.map((service) => service.stop()));
  }
}
