import { hexBytes } from "../../wire/hex-bytes.ts";
import type { Attack, Siege } from "../attack.ts";

const CONNECT = '10 ("MQTT" 04 02 0000 "")';
const CONNECT_5 = '10 ("MQTT" 05 02 0000 00 "")';

/** What must end the connection, as `hexBytes` reads it. */
const CASES: readonly string[] = [
  // Remaining Lengths of five bytes, or that the packet contradicts.
  "10 ffffffff7f",
  "10 8080808001",
  `${CONNECT} 30 ffffffff01`,
  `${CONNECT} c0 80808080`,
  "10 02 0004",
  "10 0c 0004 'MQTT' 04 02 0000 ffff",
  // Larger than any broker takes, announced as CONNECT.
  `10 ffffff7f "MQTT" 04 02 0000 [1000:61]`,
  // Strings and binary data that are longer than their packet.
  "10 (ffff 'MQTT')",
  "10 (\"MQTT\" 04 02 0000 00ff 'short')",
  '10 ("MQTT" 04 c2 0000 "c" "u" ffff \'password\')',
  '10 ("MQTT" 04 06 0000 "c" "will" ffff \'payload\')',
  `${CONNECT} 30 (ffff 'a')`,
  `${CONNECT} 32 (0003 'a/b' 01)`,
  `${CONNECT} 82 (0001 ffff 'filter' 00)`,
  `${CONNECT} 82 (0001 "filter")`,
  `${CONNECT} a2 (0001 00ff 'filter')`,
  `${CONNECT} 62 (00)`,
  // Properties that are longer than their packet, or than they say.
  '10 ("MQTT" 05 02 0000 ffffff7f)',
  '10 ("MQTT" 05 02 0000 ff 01 "c")',
  '10 ("MQTT" 05 02 0000 06 26 ffff \'abc\' "c")',
  `${CONNECT_5} 30 ("a" ffffff7f)`,
  `${CONNECT_5} 30 ("a" 03 02 0000)`,
  `${CONNECT_5} 30 ("a" 05 0b ffffffff 7f)`,
  `${CONNECT_5} 82 (0001 7f "a" 00)`,
  `${CONNECT_5} e0 (00 ff 7f)`,
];

/** Of a packet of 8 MiB that is announced, and of which this much comes. Bytes. */
const SENT_OF_LARGE = 256 * 1024;
const LARGE = `${CONNECT} 30 80808004 0001 'a' [${SENT_OF_LARGE}:78]`;

/** Lengths that say more than there is, or more than there may be. */
export const overlongLengths: Attack = {
  name: "overlong-lengths",
  text: "Lengths of packets, strings and properties that are too long, or longer than what follows; large packets that stop midway.",
  transport: "tcp",
  weight: 1,
  async run(siege) {
    await Promise.all([unfinishedPackets(siege), wrongLengths(siege)]);
  },
};

function wrongLengths(siege: Siege): Promise<void> {
  return siege.cases({ perSecond: 300, atOnce: 100 }, async (index) => {
    const text = CASES[index % CASES.length]!;
    const connection = await siege.open();
    connection.send(hexBytes(text));
    await siege.mustClose(connection, text, index);
  });
}

async function unfinishedPackets(siege: Siege): Promise<void> {
  const bytes = hexBytes(LARGE);
  for (let left = 40; left > 0 && !siege.isOver; left -= 1) {
    const connection = await siege.open();
    connection.send(bytes);
    siege.count("unfinished packets");
  }
  await siege.untilOver();
}
