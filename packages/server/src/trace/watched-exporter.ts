/** Tells of spans that did not reach their collector, once a minute at most: nobody else would. */
import { core, type tracing } from "@opentelemetry/sdk-node";

/** What was lost since it was told last. */
export interface UnsentSpans {
  readonly spans: number;
  readonly problem: string;
}

const TELL_MS = 60_000;

export class WatchedExporter implements tracing.SpanExporter {
  readonly #exporter: tracing.SpanExporter;
  readonly #onUnsent: (unsent: UnsentSpans) => void;
  readonly #nowMs: () => number;
  #toldMs = Number.NEGATIVE_INFINITY;
  #spans = 0;

  constructor(
    exporter: tracing.SpanExporter,
    onUnsent: (unsent: UnsentSpans) => void,
    nowMs: () => number = () => performance.now(),
  ) {
    this.#exporter = exporter;
    this.#onUnsent = onUnsent;
    this.#nowMs = nowMs;
  }

  export(spans: tracing.ReadableSpan[], done: Parameters<tracing.SpanExporter["export"]>[1]): void {
    this.#exporter.export(spans, (result) => {
      if (result.code === core.ExportResultCode.FAILED) this.#unsent(spans.length, result.error);
      done(result);
    });
  }

  shutdown(): Promise<void> {
    return this.#exporter.shutdown();
  }

  async forceFlush(): Promise<void> {
    await this.#exporter.forceFlush?.();
  }

  #unsent(spans: number, error: Error | undefined): void {
    this.#spans += spans;
    const nowMs = this.#nowMs();
    if (nowMs - this.#toldMs < TELL_MS) return;
    this.#toldMs = nowMs;
    this.#onUnsent({ spans: this.#spans, problem: error?.message ?? "the collector refused them" });
    this.#spans = 0;
  }
}
