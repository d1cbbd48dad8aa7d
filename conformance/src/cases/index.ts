import type { Case } from "../wire/case.ts";
import { connectCases } from "./connect.ts";
import { flowControlCases } from "./flow-control.ts";
import { publishCases } from "./publish.ts";
import { qualityOfServiceCases } from "./quality-of-service.ts";

/** Every case over the wire. */
export const cases: readonly Case[] = [
  ...connectCases,
  ...publishCases,
  ...qualityOfServiceCases,
  ...flowControlCases,
];
