import type { Recovery } from "@sericite/broker";

const ignore = (): void => undefined;

/** For a store that is opened and whose state nobody asks for. */
export const recoverNothing: Recovery = {
  session: ignore,
  retained: ignore,
  will: ignore,
  delayed: ignore,
  ban: ignore,
  time: ignore,
  numbers: ignore,
};
