/**
 * One attack in a process of its own: its load slows down nobody but itself, and with its end all of
 * its connections end. Started by `attack`.
 */
import { setPriority } from "node:os";
import { Siege } from "./attack.ts";
import type { AttackOrder, AttackResult } from "./attacker.ts";
import { attacks } from "./attacks/index.ts";

/** Behind broker and pair, where they have to share a core. */
const NICENESS = 10;
/** How often it tells which case it is at. Milliseconds. */
const TELLING_MS = 100;

async function attack(order: AttackOrder): Promise<AttackResult> {
  const chosen = attacks.find(({ name }) => name === order.name)!;
  const siege = new Siege(chosen, order.target, order.seed, order.pass, order.seconds);
  const telling = setInterval(
    () => process.send?.({ type: "at", case: siege.newestCase }),
    TELLING_MS,
  );
  await chosen.run(siege);
  clearInterval(telling);
  siege.leave();
  return { type: "done", figures: siege.figures, faults: siege.faults };
}

setPriority(NICENESS);
process.on("disconnect", () => process.exit(1));
process.on("message", (order: AttackOrder) => {
  void attack(order).then((result) => process.send?.(result, () => process.exit(0)));
});
