import type { Attack } from "../attack.ts";
import { connectFlood } from "./connect-flood.ts";
import { deepWildcards } from "./deep-wildcards.ts";
import { halfOpen } from "./half-open.ts";
import { invalidUtf8 } from "./invalid-utf8.ts";
import { mutatedPackets } from "./mutated-packets.ts";
import { neverReads } from "./never-reads.ts";
import { oneByteAtATime } from "./one-byte-at-a-time.ts";
import { overlongLengths } from "./overlong-lengths.ts";
import { shareAbuse } from "./share-abuse.ts";
import { slowTls } from "./slow-tls.ts";
import { subscriberStorm } from "./subscriber-storm.ts";
import { topicAliases } from "./topic-aliases.ts";
import { unreadAnswers } from "./unread-answers.ts";
import { webSocketFloods } from "./websocket-floods.ts";
import { webSocketFrames } from "./websocket-frames.ts";
import { withheldAcknowledgements } from "./withheld-acknowledgements.ts";

/** All attacks, in the order of a pass. */
export const attacks: readonly Attack[] = [
  mutatedPackets,
  overlongLengths,
  invalidUtf8,
  oneByteAtATime,
  connectFlood,
  halfOpen,
  neverReads,
  unreadAnswers,
  withheldAcknowledgements,
  subscriberStorm,
  shareAbuse,
  deepWildcards,
  topicAliases,
  webSocketFrames,
  webSocketFloods,
  slowTls,
];
