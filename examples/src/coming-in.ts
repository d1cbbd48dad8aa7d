import { createBroker } from "@sericite/broker";
import type { Broker } from "@sericite/broker";

/** Says which connections may be there, and which clients may come in. */
export function start(isBlocked: (address: string) => Promise<boolean>): Promise<Broker> {
  return createBroker({
    hooks: {
      authorizeConnection: async ({ address }) =>
        address === undefined || !(await isBlocked(address)),
      authorizeConnect: ({ clientId }, { keepAlive }) =>
        !clientId.startsWith("sensor-") || keepAlive > 0,
    },
  });
}
