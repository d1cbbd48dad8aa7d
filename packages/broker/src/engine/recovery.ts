import { UsageError } from "@sericite/protocol";
import type { Engine } from "./engine.ts";
import type { Recovery } from "./records.ts";

/** Takes in what a store gives back at start. This version keeps nothing beyond the process but numbers. */
export function recoveryOf(engine: Engine): Recovery {
  const notYet = (): never => {
    throw new UsageError(
      "ERR_USAGE",
      "this version does not take sessions or messages back from a store",
    );
  };
  return {
    session: notYet,
    retained: notYet,
    will: notYet,
    delayed: notYet,
    ban: notYet,
    time: notYet,
    numbers: (message, session) => engine.continueNumbers(message, session),
  };
}
