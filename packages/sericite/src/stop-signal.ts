const stopSignals = ["SIGTERM", "SIGINT"] as const;

/**
 * Calls `onFirst` at the first SIGTERM or SIGINT, to end in good order, and `onSecond` at each
 * further one, to end at once.
 */
export function onStopSignal(
  onFirst: (signal: NodeJS.Signals) => void,
  onSecond: (signal: NodeJS.Signals) => void,
): void {
  let isFirst = true;
  for (const name of stopSignals) {
    process.on(name, () => {
      if (isFirst) onFirst(name);
      else onSecond(name);
      isFirst = false;
    });
  }
}
