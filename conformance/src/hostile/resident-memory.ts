import { readFileSync } from "node:fs";

/** Time after an attack for connections to end. Milliseconds. */
const SETTLING_MS = 1000;
/** Time over which memory is read, and how often. Milliseconds. */
const READING_MS = 1500;
const BETWEEN_MS = 100;

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
 * Resident memory of a process when things are quiet: the attackers are gone, and only the well-behaved
 * pair goes on. Waits a second, then reads for one and a half and takes the lowest.
 */
export async function quietMemory(pid: number | undefined): Promise<number | undefined> {
  await pause(SETTLING_MS);
  let lowest: number | undefined;
  for (let ms = 0; ms < READING_MS; ms += BETWEEN_MS) {
    await pause(BETWEEN_MS);
    const now = residentMemory(pid);
    if (now !== undefined && (lowest === undefined || now < lowest)) lowest = now;
  }
  return lowest;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms));
}
