/** Called once the process is asked to stop; settles when everything is closed. */
export type Drain = (signal: NodeJS.Signals) => Promise<void>;

const stopSignals = ["SIGTERM", "SIGINT"] as const;

/**
 * Waits for SIGTERM or SIGINT, then drains.
 *
 * @param drain  Closes everything within its own deadline.
 * @param onSecond  Called when a second signal comes meanwhile: end the process at once.
 * @returns after the drain.
 */
export async function drainAtSignal(drain: Drain, onSecond: (signal: NodeJS.Signals) => void): Promise<void> {
  const signal = await new Promise<NodeJS.Signals>((resolve) => {
    let first = true;
    for (const name of stopSignals) {
      process.on(name, () => {
        if (!first) onSecond(name);
        first = false;
        resolve(name);
      });
    }
  });
  await drain(signal);
}
