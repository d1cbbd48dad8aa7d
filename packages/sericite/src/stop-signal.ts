const stopSignals = ["SIGTERM", "SIGINT"] as const;

/**
 * The same signal again within this time is an echo: a terminal sends Ctrl-C to all processes of a
 * command line, and `npm` passes its own on to the one that it started. Milliseconds.
 */
const echoMs = 500;

/**
 * Calls `onFirst` at the first SIGTERM or SIGINT, to end in good order, and `onSecond` at each
 * further one, to end at once.
 *
 * @returns what ends that: the signals then do again what they did before.
 */
export function onStopSignal(
  onFirst: (signal: NodeJS.Signals) => void,
  onSecond: (signal: NodeJS.Signals) => void,
): () => void {
  let first: { readonly name: string; readonly at: number } | undefined;
  const take = (name: NodeJS.Signals): void => {
    const at = performance.now();
    if (first === undefined) {
      first = { name, at };
      onFirst(name);
    } else if (name !== first.name || at - first.at > echoMs) onSecond(name);
  };
  for (const name of stopSignals) process.on(name, take);
  return () => {
    for (const name of stopSignals) process.off(name, take);
  };
}
