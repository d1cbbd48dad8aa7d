import type { Attack } from "../attack.ts";
import { connectPacket, publishPacket, subscribePacket, unsubscribePacket } from "../packets.ts";

/** Topic Filters of each client, in one SUBSCRIBE. */
const FILTERS = 50;
/** Time that a client stays. Milliseconds. */
const STAY_MS = 500;

/** Many clients that subscribe to much, get much at once, and go. */
export const subscriberStorm: Attack = {
  name: "subscriber-storm",
  text: "A hundred clients a second that subscribe to fifty filters each, all get what each of them publishes, and unsubscribe.",
  transport: "tcp",
  weight: 2,
  run: (siege) =>
    siege.cases({ perSecond: 100, atOnce: 100 }, async (index) => {
      const own = `storm/${siege.pass}/${index}`;
      const filters = Array.from({ length: FILTERS - 1 }, (_, at) => `${own}/+/${at}/#`);
      filters.push("storm/all");
      const connection = await siege.open();
      connection.send(connectPacket(5, `storm-${siege.pass}-${index}`));
      connection.send(subscribePacket(5, filters, 1));
      connection.send(publishPacket(5, "storm/all", 0, Buffer.from(own)));
      await siege.pause(STAY_MS);
      connection.send(unsubscribePacket(5, filters, 2));
      // CONNACK, SUBACK and UNSUBACK, at least.
      if (await connection.receives(5 + 2 * FILTERS, 5000)) siege.count("answered");
      connection.reset();
    }),
};
