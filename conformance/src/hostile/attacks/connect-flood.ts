import type { Attack } from "../attack.ts";
import { connectPacket, DISCONNECT } from "../packets.ts";

/** Connects and goes, over and over: some in order, some cut, some taking each other's session over. */
export const connectFlood: Attack = {
  name: "connect-flood",
  text: "A thousand CONNECTs a second: new clients, clients that are cut at once with a Will, and clients that take over one session.",
  transport: "tcp",
  weight: 2,
  run: (siege) =>
    siege.cases({ perSecond: 1000, atOnce: 300 }, async (index, chance) => {
      const version = chance.pick([3, 4, 5] as const);
      const connection = await siege.open();
      switch (index % 3) {
        case 0:
          connection.send(connectPacket(version, `flood-${siege.pass}-${index}`));
          if (await connection.receives(4, 5000)) siege.count("answered");
          connection.send(DISCONNECT);
          connection.end();
          await connection.closesWithin(2000);
          break;
        case 1:
          connection.send(connectPacket(version, `flood-${index}`, { will: true }));
          await connection.drained(1);
          break;
        default:
          connection.send(connectPacket(version, "flood-taken-over"));
          if (await connection.closesWithin(chance.integer(1, 100))) siege.count("taken over");
      }
      connection.reset();
    }),
};
