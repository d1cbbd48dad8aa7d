import type { Attack, Siege } from "../attack.ts";
import { connectPacket, publishPacket, subscribePacket, unsubscribePacket } from "../packets.ts";
import { hexBytes } from "../../wire/hex-bytes.ts";

/** Filters that are no Shared Subscription, or none that may be. */
const ODD_FILTERS: readonly string[] = [
  "$share",
  "$share/",
  "$share//a",
  "$share/g",
  "$share/g/",
  "$share/+/a",
  "$share/g#/a",
  "$share/g/a/#/b",
  "$share/g/$share/g/a",
  "$share/g/$SYS/#",
  "$SHARE/g/a",
  "$queue/",
  "$queue/a",
];

/** Groups of one client for the same filter. */
const GROUPS = 300;

/** Shared Subscriptions as nobody meant them. */
export const shareAbuse: Attack = {
  name: "share-abuse",
  text: "Odd $share filters, hundreds of groups for one filter, and members that come, take and go without a word.",
  transport: "tcp",
  weight: 1,
  async run(siege) {
    await Promise.all([manyGroups(siege), oddFilters(siege), fleetingMembers(siege)]);
  },
};

async function oddFilters(siege: Siege): Promise<void> {
  await siege.cases({ perSecond: 100, atOnce: 50 }, async (index) => {
    const connection = await siege.open();
    connection.send(connectPacket(5, `odd-${index % 100}`));
    const filter = ODD_FILTERS[index % ODD_FILTERS.length]!;
    const text = Buffer.from(filter).toString("hex");
    const length = (text.length / 2).toString(16).padStart(4, "0");
    // Not by the codec, which makes no such filters. Every third has No Local, which may not be.
    const options = index % 3 === 0 ? "05" : "01";
    connection.send(hexBytes(`82 (0001 00 ${length} ${text} ${options})`));
    if (await connection.closesWithin(100)) siege.count("ended by the broker");
    connection.reset();
  });
}

async function manyGroups(siege: Siege): Promise<void> {
  const filters = Array.from({ length: GROUPS }, (_, at) => `$share/group-${at}/abuse/#`);
  const connection = await siege.open();
  connection.send(connectPacket(5, "all-groups"));
  connection.send(subscribePacket(5, filters, 0));
  for (let number = 0; !siege.isOver && connection.isOpen; number += 1) {
    connection.send(publishPacket(5, `abuse/${number}`, 0, Buffer.from("x")));
    await siege.pause(50);
    if (number % 10 === 9) connection.send(unsubscribePacket(5, filters, 2));
    if (number % 10 === 9) connection.send(subscribePacket(5, filters, 0, 3));
  }
  connection.reset();
}

async function fleetingMembers(siege: Siege): Promise<void> {
  await siege.cases({ perSecond: 50, atOnce: 50 }, async (index, chance) => {
    const connection = await siege.open();
    connection.send(connectPacket(5, `fleeting-${siege.pass}-${index}`));
    connection.send(subscribePacket(5, ["$share/fleeting/abuse/#", "$share/all/#"], 2));
    connection.send(publishPacket(5, "abuse/fleeting", 1, Buffer.from("y"), 9));
    // Nothing is acknowledged: it goes to who is there next.
    await siege.pause(chance.integer(1, 300));
    connection.reset();
  });
}
