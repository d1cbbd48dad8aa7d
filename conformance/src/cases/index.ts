import type { Case } from "../wire/case.ts";
import { authenticationCases } from "./authentication.ts";
import { connackCases } from "./connack.ts";
import { connectCases } from "./connect.ts";
import { disconnectCases } from "./disconnect.ts";
import { flowControlCases } from "./flow-control.ts";
import { formatCases } from "./format.ts";
import { practiceCases } from "./practice.ts";
import { publishCases } from "./publish.ts";
import { qualityOfServiceCases } from "./quality-of-service.ts";
import { sessionCases } from "./session.ts";
import { sharedSubscriptionCases } from "./shared-subscription.ts";
import { subscribeCases } from "./subscribe.ts";
import { topicCases } from "./topic.ts";
import { webSocketCases } from "./websocket.ts";
import { willCases } from "./will.ts";

/** Every case over the wire, in the order of the standard. */
export const cases: readonly Case[] = [
  ...formatCases,
  ...connectCases,
  ...sessionCases,
  ...willCases,
  ...connackCases,
  ...publishCases,
  ...qualityOfServiceCases,
  ...flowControlCases,
  ...subscribeCases,
  ...disconnectCases,
  ...topicCases,
  ...sharedSubscriptionCases,
  ...authenticationCases,
  ...webSocketCases,
  ...practiceCases,
];
