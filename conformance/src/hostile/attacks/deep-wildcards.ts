import type { Attack, Siege } from "../attack.ts";
import { connectPacket, publishPacket, subscribePacket } from "../packets.ts";

/** Levels at which a filter may have the name or a wildcard: all combinations are subscribed to. */
const LEVELS = 10;
const CLIENTS = 32;

/** Topic Filters and Topic Names that are as hard to match as can be. */
export const deepWildcards: Attack = {
  name: "deep-wildcards",
  text: "Filters of 128 levels of +, 1024 filters that all match one topic, and topics of 32 767 levels.",
  transport: "tcp",
  weight: 2,
  async run(siege) {
    await Promise.all([allMatch(siege), deepFilters(siege), tooDeep(siege)]);
  },
};

/** Filters of all combinations of `a` and `+`: a topic of `a` alone takes every branch of the tree. */
async function allMatch(siege: Siege): Promise<void> {
  const filters = Array.from({ length: 2 ** LEVELS }, (_, bits) =>
    Array.from({ length: LEVELS }, (_at, level) => ((bits >> level) & 1 ? "+" : "a")).join("/"),
  );
  const share = filters.length / CLIENTS;
  for (let at = 0; at < CLIENTS; at += 1) {
    const subscriber = await siege.open();
    subscriber.send(connectPacket(5, `branches-${at}`));
    subscriber.send(subscribePacket(5, filters.slice(at * share, (at + 1) * share), 0));
    await subscriber.receives(share, 5000);
  }
  const publisher = await siege.open();
  publisher.send(connectPacket(5, "branches-publisher"));
  const names = Array.from({ length: LEVELS }, () => "a");
  await siege.cases({ perSecond: 50, atOnce: 1 }, async (index, chance) => {
    const topic = [...names];
    // A name that is new each time cannot be remembered.
    topic[chance.integer(0, LEVELS - 1)] = `b${siege.pass}-${index}`;
    publisher.send(
      publishPacket(5, (index % 2 === 0 ? names : topic).join("/"), 0, Buffer.from("x")),
    );
  });
}

async function deepFilters(siege: Siege): Promise<void> {
  const deep = Array.from({ length: 128 }, () => "+");
  const filters = Array.from({ length: 100 }, (_, at) =>
    [...deep.slice(0, 126), `x${at}`].join("/"),
  );
  const subscriber = await siege.open();
  subscriber.send(connectPacket(5, "deep-subscriber"));
  subscriber.send(
    subscribePacket(5, [deep.join("/"), `${deep.slice(1).join("/")}/#`, ...filters], 0),
  );
  const publisher = await siege.open();
  publisher.send(connectPacket(5, "deep-publisher"));
  for (let number = 0; !siege.isOver; number += 1) {
    const levels = Array.from({ length: 128 }, (_, at) => `${number % 7}${at % 3}`);
    publisher.send(publishPacket(5, levels.join("/"), 0, Buffer.from("x")));
    await siege.pause(10);
  }
}

/** Deeper than any broker takes: the longest string that there is, with nothing between its slashes. */
async function tooDeep(siege: Siege): Promise<void> {
  const slashes = "/".repeat(65_535);
  const wildcards = "+/".repeat(32_767);
  while (!siege.isOver) {
    for (const packet of [
      publishPacket(5, slashes, 0, Buffer.from("x")),
      subscribePacket(5, [wildcards, `${wildcards}#`, slashes], 0),
    ]) {
      const connection = await siege.open();
      connection.send(connectPacket(5, "too-deep"));
      connection.send(packet);
      if (await connection.closesWithin(100)) siege.count("ended by the broker");
      connection.reset();
    }
  }
}
