import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { join } from "node:path";
import type { Place } from "./attack.ts";
import { LatencyHistogram } from "./latency-histogram.ts";
import type { LatencyData } from "./latency-histogram.ts";

/** What the pair tells. */
type PairMessage =
  | { readonly type: "ready" }
  | { readonly type: "fault"; readonly text: string; readonly phase: number }
  | {
      readonly type: "finished";
      readonly faults: number;
      readonly sent: number;
      /** By phase; of one in which nothing was sent there is none. */
      readonly latencies: readonly (LatencyData | null)[];
    };

/** What became of the pair. */
export interface PairResult {
  readonly sent: number;
  /** By phase. */
  readonly latencies: readonly LatencyHistogram[];
}

/** Time for the pair to connect, and to end. Milliseconds. */
const PATIENCE_MS = 30_000;

/** A publisher and a subscriber that keep to the standard, in a process of their own. */
export class GoodPair {
  /** What went wrong for them, with the phase in which it was noticed. */
  readonly faults: { readonly text: string; readonly phase: number }[] = [];
  readonly #child: ChildProcess;
  #phases = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Starts it; resolves when its messages flow. */
  static async start({ host, port }: Place): Promise<GoodPair> {
    const path = join(import.meta.dirname, "pair-process.js");
    const pair = new GoodPair(fork(path, [host, String(port)]));
    pair.#child.on("message", (message: PairMessage) => {
      if (message.type === "fault") pair.faults.push({ text: message.text, phase: message.phase });
    });
    pair.#child.on("exit", (code) => {
      if (code !== 0)
        pair.faults.push({ text: `the pair ended with ${code}`, phase: pair.#phases });
    });
    await pair.#told("ready");
    return pair;
  }

  /** What is sent from now on belongs to a new phase. @returns its number; the first one is 1. */
  beginPhase(): number {
    this.#phases += 1;
    if (this.#child.connected) this.#child.send({ type: "phase", phase: this.#phases });
    return this.#phases;
  }

  /** Sends no more, waits for what is owed, and ends. Faults may be added. */
  async finish(): Promise<PairResult> {
    if (!this.#child.connected) return { sent: 0, latencies: [] };
    const finished = this.#told("finished");
    this.#child.send({ type: "finish" });
    const message = await finished;
    if (message?.type !== "finished") return { sent: 0, latencies: [] };
    const latencies = message.latencies.map((data) =>
      data === null ? new LatencyHistogram() : LatencyHistogram.of(data),
    );
    return { sent: message.sent, latencies };
  }

  /** Ends it at once. */
  kill(): void {
    this.#child.kill("SIGKILL");
  }

  /** The next message of a type; `undefined` where it ends or says nothing, which is a fault. */
  #told(type: PairMessage["type"]): Promise<PairMessage | undefined> {
    return new Promise((resolve) => {
      const end = (told: PairMessage | undefined): void => {
        clearTimeout(timer);
        this.#child.off("message", take).off("exit", giveUp);
        resolve(told);
      };
      const take = (message: PairMessage): void => {
        if (message.type === type) end(message);
      };
      const giveUp = (): void => {
        this.faults.push({ text: `the pair never told ${type}`, phase: this.#phases });
        end(undefined);
      };
      const timer = setTimeout(giveUp, PATIENCE_MS);
      this.#child.on("message", take).on("exit", giveUp);
    });
  }
}
