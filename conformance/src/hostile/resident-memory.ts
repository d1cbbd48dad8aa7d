import { readFileSync } from "node:fs";

/** Time after an attack for connections to end. Milliseconds. */
const SETTLING_MS = 1000;
/** Time over which memory is read, and how often. Milliseconds. */
const READING_MS = 700;
const BETWEEN_MS = 50;

/** Resident memory when things are quiet. Bytes. */
export interface QuietMemory {
  /** As it is. Much of it may be garbage, which V8 collects when it thinks fit. */
  readonly asItIs: number;
  /** After garbage was collected; the same as `asItIs` where nobody can ask for that. */
  readonly collected: number;
}

/** Resident memory of a process at present, in bytes; `undefined` where the system does not say, or it is gone. */
export function residentMemory(pid: number | undefined): number | undefined {
  if (pid === undefined || process.platform !== "linux") return undefined;
  try {
    const found = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
    return found === null ? undefined : Number(found[1]) * 1024;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOENT" && code !== "ESRCH") throw error;
    return undefined;
  }
}

/**
 * Resident memory when things are quiet: the attackers are gone, and only the well-behaved pair goes on.
 * Waits a second, then takes the lowest of 0.7 seconds; then has garbage collected and takes the lowest of
 * 0.7 seconds again.
 *
 * @returns `undefined` where the system does not say, or the process is gone.
 */
export async function quietMemory(
  pid: number | undefined,
  collectGarbage: (() => Promise<void>) | undefined,
): Promise<QuietMemory | undefined> {
  await pause(SETTLING_MS);
  const asItIs = await lowest(pid);
  if (asItIs === undefined) return undefined;
  if (collectGarbage === undefined) return { asItIs, collected: asItIs };
  await collectGarbage();
  return { asItIs, collected: (await lowest(pid)) ?? asItIs };
}

async function lowest(pid: number | undefined): Promise<number | undefined> {
  let found: number | undefined;
  for (let ms = 0; ms < READING_MS; ms += BETWEEN_MS) {
    await pause(BETWEEN_MS);
    const now = residentMemory(pid);
    if (now !== undefined && (found === undefined || now < found)) found = now;
  }
  return found;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms));
}
