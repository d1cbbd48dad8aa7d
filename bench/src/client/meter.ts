/** What a client did in a time. */
export interface Measured {
  readonly messages: number;
  readonly seconds: number;
  /** CPU of the process, all its threads. Seconds. */
  readonly cpuSeconds: number;
}

/** Starts to measure this process. @returns what ends it, given the number of messages. */
export function startMeter(): (messages: number) => Measured {
  const start = performance.now();
  const cpu = process.cpuUsage();
  return (messages) => {
    const { user, system } = process.cpuUsage(cpu);
    return {
      messages,
      seconds: (performance.now() - start) / 1000,
      cpuSeconds: (user + system) / 1e6,
    };
  };
}
