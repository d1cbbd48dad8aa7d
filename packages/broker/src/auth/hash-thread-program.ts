import { getPriority, setPriority } from "node:os";
import { parentPort } from "node:worker_threads";
import type { HashQuestion } from "./hash-thread.ts";
import { parsePasswordHash } from "./password-hash.ts";

/** What the thread's priority is below that of the process, as `nice` counts it. */
const NICER = 10;

// On other systems this would be about the whole process.
if (process.platform === "linux") setPriority(Math.min(19, getPriority() + NICER));

const port = parentPort!;
port.on("message", ({ hash, password }: HashQuestion) => {
  const parsed = parsePasswordHash(hash);
  if (typeof parsed === "string") throw new Error(parsed);
  port.postMessage(parsed.verify(password));
});
