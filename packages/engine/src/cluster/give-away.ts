/**
 * When a leader whose heads nobody cosigns, since it has signed a time far ahead, gives the leadership away.
 *
 * At once the first time. Where the leadership comes back, another leader was lost, or all have signed such times: then it stays
 * longer each time, so that a cluster whose clocks were all ahead moves it a few times until they have caught up.
 */
import { GIVE_AWAY_AGAIN_MS, GIVE_AWAY_PAUSE_MS, GIVE_AWAY_PAUSES_GROW } from "./cosign-limits.js";

/** Times are on the monotonic clock. */
export class GiveAway {
  #wantedMs = 0;
  /** In which term, the last time. */
  #term: number | undefined;
  #pauseMs = GIVE_AWAY_PAUSE_MS;
  /** Until when the clock has caught up with all that it was about. */
  #untilMs = 0;

  /** Is the leadership to be given away now? Who is told so does it. */
  isDue(nowMs: number, term: number, aheadMs: number): boolean {
    if (this.#term === undefined || nowMs >= this.#untilMs) this.#pauseMs = GIVE_AWAY_PAUSE_MS;
    else if (term === this.#term) {
      // Nobody has taken it.
      if (nowMs < this.#wantedMs + GIVE_AWAY_AGAIN_MS) return false;
    } else {
      if (nowMs < this.#wantedMs + this.#pauseMs) return false;
      this.#pauseMs *= GIVE_AWAY_PAUSES_GROW;
    }
    this.#wantedMs = nowMs;
    this.#term = term;
    this.#untilMs = Math.max(this.#untilMs, nowMs + aheadMs);
    return true;
  }
}
