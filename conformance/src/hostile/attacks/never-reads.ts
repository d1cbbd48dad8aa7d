import type { Attack } from "../attack.ts";
import { connectPacket, publishPacket, subscribePacket } from "../packets.ts";

const SUBSCRIBERS = 20;
const PAYLOAD = Buffer.alloc(8192, "x");
const MESSAGES_PER_SECOND = 1000;

/** Subscribers that take nothing of what they asked for, and a publisher who sends it all the same. */
export const neverReads: Attack = {
  name: "never-reads",
  text: "Twenty subscribers that never read, of 8 MB a second that is published to each of them.",
  transport: "tcp",
  weight: 2,
  async run(siege) {
    for (let at = 0; at < SUBSCRIBERS; at += 1) {
      const subscriber = await siege.open();
      const qos = at % 2 === 0 ? 0 : 1;
      subscriber.send(connectPacket(5, `unread-${at}`));
      subscriber.send(subscribePacket(5, ["unread/#"], qos));
      if (!(await subscriber.receives(10, 5000))) siege.count("not subscribed");
      subscriber.stopReading();
    }
    const publisher = await siege.open();
    publisher.send(connectPacket(5, "unread-publisher"));
    await siege.cases({ perSecond: MESSAGES_PER_SECOND, atOnce: 1 }, async (index) => {
      const identifier = 1 + (index % 65_535);
      const qos = index % 2 === 0 ? 0 : 1;
      // Acknowledgements come late or not at all, and nobody waits for them.
      if (!publisher.send(publishPacket(5, "unread/a", qos, PAYLOAD, identifier)))
        await publisher.drained(1000);
    });
  },
};
