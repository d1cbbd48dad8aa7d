import { RequestError } from "@sericite/client";
import type { Client, Subscription } from "@sericite/client";

/** Answers who asks for the square of a number. */
export function startSquares(client: Client): Promise<Subscription> {
  return client.respond("squares", (request) => {
    const number = Number(request.text());
    return String(number * number);
  });
}

/** Asks for it; `undefined` where nobody answers in time. */
export async function askForSquare(client: Client, number: number): Promise<number | undefined> {
  try {
    const response = await client.request("squares", String(number), { timeoutMs: 2000 });
    return Number(response.text());
  } catch (error) {
    const unanswered = ["ERR_NO_RESPONDER", "ERR_REQUEST_TIMEOUT"];
    if (error instanceof RequestError && unanswered.includes(error.code)) return undefined;
    throw error;
  }
}
