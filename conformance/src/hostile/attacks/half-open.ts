import type { Attack } from "../attack.ts";
import type { HostileConnection } from "../hostile-connection.ts";

const CONNECTIONS = 10_000;
/** Opened in one go, and the least time between two. Milliseconds. */
const AT_ONCE = 200;
const BETWEEN_MS = 20;
/** Beyond the time that the broker gives for CONNECT. Milliseconds. */
const PATIENCE_MS = 10_000;

/** Ten thousand connections that never say CONNECT. */
export const halfOpen: Attack = {
  name: "half-open",
  text: "Ten thousand connections that are open at once and never say CONNECT.",
  transport: "tcp",
  weight: 3,
  async run(siege) {
    const connections: HostileConnection[] = [];
    while (connections.length < CONNECTIONS) {
      connections.push(...(await Promise.all(Array.from({ length: AT_ONCE }, () => siege.open()))));
      siege.newestCase = connections.length;
      await siege.pause(BETWEEN_MS);
      // Descriptors have run out, here or there: more will not be open.
      if (connections.at(-1)!.failure !== undefined) break;
    }
    const mostOpen = connections.filter(({ isOpen }) => isOpen).length;
    siege.count("open at once", mostOpen);
    await siege.untilOver();
    const { entryTimeoutMs } = siege.target;
    if (entryTimeoutMs === 0) return;
    const endsAt = performance.now() + entryTimeoutMs + PATIENCE_MS;
    for (const connection of connections)
      if (!(await connection.closesWithin(Math.max(0, endsAt - performance.now()))))
        siege.count("left open");
    if (siege.figures["left open"] !== undefined)
      siege.fault(`${siege.figures["left open"]} connections without CONNECT were not ended`);
  },
};
