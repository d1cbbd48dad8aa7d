import type { Attack } from "../attack.ts";
import { hexBytes } from "../../wire/hex-bytes.ts";

/** Bytes that are no UTF-8, or UTF-8 that no string may hold. */
const TEXTS: readonly (readonly [name: string, hex: string])[] = [
  ["a continuation byte alone", "80"],
  ["a sequence cut short", "e282"],
  ["an overlong slash", "c0af"],
  ["an overlong U+0000", "c080"],
  ["U+0000", "00"],
  ["a surrogate", "eda080"],
  ["a pair of surrogates", "eda081edb080"],
  ["beyond U+10FFFF", "f4908080"],
  ["five bytes", "f888808080"],
  ["bytes that are never used", "fffe"],
];

const CONNECT = '10 ("MQTT" 04 02 0000 "")';
const CONNECT_5 = '10 ("MQTT" 05 02 0000 00 "")';

/** Packets with a string in which `TEXT` stands for ill-formed bytes between good ones. */
const PACKETS: readonly string[] = [
  '10 ("MQTT" 04 02 0000 TEXT)',
  '10 ("MQTT" 04 06 0000 "c" TEXT "payload")',
  '10 ("MQTT" 04 82 0000 "c" TEXT)',
  '10 ("MQTT" 05 02 0000 (26 TEXT "value") "c")',
  '10 ("MQTT" 05 02 0000 (26 "name" TEXT) "c")',
  '10 ("MQTT" 05 02 0000 00 TEXT)',
  `${CONNECT} 30 (TEXT 'payload')`,
  `${CONNECT} 34 (TEXT 0001 'payload')`,
  `${CONNECT} 82 (0001 TEXT 01)`,
  `${CONNECT} 82 (0001 "good" 01 TEXT 01)`,
  `${CONNECT} a2 (0001 TEXT)`,
  `${CONNECT_5} 30 (TEXT 00 'payload')`,
  `${CONNECT_5} 30 ("a" (08 TEXT) 'payload')`,
  `${CONNECT_5} 30 ("a" (03 TEXT) 'payload')`,
  `${CONNECT_5} 82 (0001 (26 TEXT "value") "a" 00)`,
  `${CONNECT_5} e0 (00 (1f TEXT))`,
];

/** Strings that are not well-formed UTF-8, wherever a packet has one. */
export const invalidUtf8: Attack = {
  name: "invalid-utf8",
  text: "Strings that are not well-formed UTF-8, or hold U+0000, wherever a packet has one.",
  transport: "tcp",
  weight: 1,
  run: (siege) =>
    siege.cases({ perSecond: 300, atOnce: 100 }, async (index) => {
      const packet = PACKETS[index % PACKETS.length]!;
      const [name, hex] = TEXTS[Math.floor(index / PACKETS.length) % TEXTS.length]!;
      const length = (2 + hex.length / 2).toString(16).padStart(4, "0");
      const connection = await siege.open();
      connection.send(hexBytes(packet.replace("TEXT", `${length} 'a' ${hex} 'z'`)));
      await siege.mustClose(connection, `${name} in ${packet}`, index);
    }),
};
