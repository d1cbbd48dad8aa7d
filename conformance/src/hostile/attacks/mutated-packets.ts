import type { Attack } from "../attack.ts";
import { mutate } from "../mutation.ts";
import { validPackets } from "../packets.ts";

/** Time for a broker to answer nonsense before the next one comes. Milliseconds. */
const WAIT_MS = 200;

/** Sessions of all packets in the three versions, with one to three packets mutated. */
export const mutatedPackets: Attack = {
  name: "mutated-packets",
  text: "Sessions of valid packets, up to three of them mutated, in all versions.",
  transport: "tcp",
  weight: 2,
  run: (siege) =>
    siege.cases({ perSecond: 400, atOnce: 150 }, async (index, chance) => {
      const version = chance.pick([3, 4, 5] as const);
      const packets = validPackets(version, `mutated-${index % 50}`);
      for (let left = chance.integer(1, 3); left > 0; left -= 1) {
        // CONNECT now and then: behind one that is refused nothing is looked at.
        const at = chance.happens(0.2) ? 0 : chance.integer(1, packets.length - 1);
        packets[at] = mutate(packets[at]!, chance);
      }
      const connection = await siege.open();
      connection.send(Buffer.concat(packets));
      if (await connection.closesWithin(WAIT_MS)) siege.count("ended by the broker");
      connection.reset();
    }),
};
