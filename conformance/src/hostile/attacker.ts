import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Target } from "./attack.ts";

/** What an attacker is to do. */
export interface AttackOrder {
  readonly name: string;
  readonly target: Target;
  readonly seed: number;
  /** Counted from 0. */
  readonly pass: number;
  readonly seconds: number;
}

/** What an attack found. */
export interface AttackResult {
  readonly type: "done";
  readonly figures: Readonly<Record<string, number>>;
  readonly faults: readonly string[];
}

/** Time that an attack may take beyond its own. Milliseconds. */
const PATIENCE_MS = 60_000;

/**
 * Makes one attack, in a process of its own.
 *
 * @param onCase  Told now and then which case it is at.
 */
export async function attack(
  order: AttackOrder,
  onCase: (index: number) => void,
): Promise<AttackResult> {
  const child = fork(join(import.meta.dirname, "attacker-process.js"));
  const exited = once(child, "exit");
  let result: AttackResult | undefined;
  child.on("message", (message: AttackResult | { type: "at"; case: number }) => {
    if (message.type === "done") result = message;
    else onCase(message.case);
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), order.seconds * 1000 + PATIENCE_MS);
  child.send(order);
  const [code, signal] = (await exited) as [number | null, string | null];
  clearTimeout(timer);
  if (result !== undefined) return result;
  const faults = [`the attacker itself ended with ${signal ?? code}`];
  return { type: "done", figures: {}, faults };
}
