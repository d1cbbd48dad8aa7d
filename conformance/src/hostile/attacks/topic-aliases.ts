import { hexBytes } from "../../wire/hex-bytes.ts";
import type { Attack, Siege } from "../attack.ts";
import { connectPacket, publishPacket, subscribePacket } from "../packets.ts";

const ALIASES = 65_535;
/** Packets that go in one write. */
const TOGETHER = 500;
/** Between two writes. Milliseconds. */
const BETWEEN_MS = 5;
const NOTHING = Buffer.alloc(0);

/** Aliases that may not be, behind a CONNECT; each must end the connection. */
const WRONG: readonly string[] = [
  '30 ("a" (23 0000))',
  '30 ("" (23 0007))',
  '30 ("a" (23 0001 23 0001))',
];

/** As many Topic Aliases as there are, in both directions, and some that there are not. */
export const topicAliases: Attack = {
  name: "topic-aliases",
  text: "65 535 Topic Aliases of one client, each set and used, sent on to a subscriber that takes as many; and aliases that may not be.",
  transport: "tcp",
  weight: 2,
  async run(siege) {
    const subscriber = await siege.open();
    subscriber.send(connectPacket(5, "alias-subscriber", { topicAliasMaximum: ALIASES }));
    subscriber.send(subscribePacket(5, ["alias/#"], 0));
    await subscriber.receives(10, 5000);
    await Promise.all([useAll(siege), useWrong(siege)]);
    siege.count("MB to the subscriber", Math.round(subscriber.receivedBytes / 1e6));
  },
};

/** Sets and uses all of them, however long it takes: what the broker remembers of topics is then full after one pass. */
async function useAll(siege: Siege): Promise<void> {
  const publisher = await siege.open();
  publisher.send(connectPacket(5, "alias-publisher"));
  await publisher.receives(4, 5000);
  for (const isSet of [false, true])
    for (let from = 1; from <= ALIASES && publisher.isOpen; from += TOGETHER) {
      const packets: Uint8Array[] = [];
      for (let alias = from; alias < from + TOGETHER && alias <= ALIASES; alias += 1) {
        const topicName = isSet ? "" : `alias/${siege.pass}/of-this-pass/${alias}`;
        packets.push(publishPacket(5, topicName, 0, NOTHING, 1, alias));
      }
      siege.count(isSet ? "aliases used" : "aliases set", packets.length);
      if (!publisher.send(Buffer.concat(packets))) await publisher.drained(1000);
      await new Promise((resolve) => void setTimeout(resolve, BETWEEN_MS));
    }
  await siege.untilOver();
  if (!publisher.isOpen) siege.count("publishers ended by the broker");
  publisher.reset();
}

async function useWrong(siege: Siege): Promise<void> {
  await siege.cases({ perSecond: 50, atOnce: 20 }, async (index) => {
    const connection = await siege.open();
    const wrong = WRONG[index % WRONG.length]!;
    connection.send(connectPacket(5, `alias-wrong-${index % 50}`));
    connection.send(hexBytes(wrong));
    await siege.mustClose(connection, wrong, index);
  });
}
