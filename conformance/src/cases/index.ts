import type { Case } from "../wire/case.ts";
import { connackCases } from "./connack.ts";
import { connectCases } from "./connect.ts";
import { flowControlCases } from "./flow-control.ts";
import { formatCases } from "./format.ts";
import { publishCases } from "./publish.ts";
import { qualityOfServiceCases } from "./quality-of-service.ts";
import { sessionCases } from "./session.ts";
import { willCases } from "./will.ts";

/** Every case over the wire. */
export const cases: readonly Case[] = [
  ...formatCases,
  ...connectCases,
  ...sessionCases,
  ...willCases,
  ...connackCases,
  ...publishCases,
  ...qualityOfServiceCases,
  ...flowControlCases,
];
