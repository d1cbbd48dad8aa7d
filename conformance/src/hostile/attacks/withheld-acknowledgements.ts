import type { Attack } from "../attack.ts";
import { connectPacket, publishPacket, subscribePacket } from "../packets.ts";

const PAYLOAD = Buffer.alloc(100, "y");

/** Both sides of QoS 1 and 2 left unfinished, as often as there are Packet Identifiers. */
export const withheldAcknowledgements: Attack = {
  name: "withheld-acknowledgements",
  text: "QoS 2 messages that are never released, beyond the Receive Maximum, and subscribers that acknowledge nothing.",
  transport: "tcp",
  weight: 1,
  run: (siege) =>
    siege.cases({ perSecond: 20, atOnce: 10 }, async (index, chance) => {
      const subscriber = await siege.open();
      subscriber.send(
        connectPacket(5, `withheld-s-${index}`, { receiveMaximum: chance.pick([1, 65_535]) }),
      );
      subscriber.send(subscribePacket(5, [`withheld/${index}`], chance.pick([1, 2] as const)));
      await subscriber.receives(10, 5000);
      const publisher = await siege.open();
      publisher.send(connectPacket(5, `withheld-p-${index}`));
      const count = chance.pick([1000, 5000]);
      for (let identifier = 1; identifier <= count; identifier += 1)
        if (!publisher.send(publishPacket(5, `withheld/${index}`, 2, PAYLOAD, identifier)))
          await publisher.drained(1000);
      if (await publisher.closesWithin(300)) siege.count("ended by the broker");
      publisher.reset();
      subscriber.reset();
    }),
};
