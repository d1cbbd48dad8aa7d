import { once } from "node:events";
import WebSocket from "ws";

/** What Node prints about its inspector, among the lines of a log. */
export const INSPECTOR_LINE: RegExp = /^(Debugger (listening|attached|ending)|For help, see: )/;

/** Where Node says that its inspector listens. */
const LISTENING = /^Debugger listening on (ws:\S+)$/m;

/** The inspector's address in what a process has printed, once it was sent SIGUSR1. */
export function inspectorAddress(printed: string): string | undefined {
  return LISTENING.exec(printed)?.[1];
}

/**
 * Has a process of Node collect its garbage, by the inspector that every such process opens on SIGUSR1.
 *
 * @throws Error where the inspector does not answer.
 */
export async function collectGarbage(address: string): Promise<void> {
  const inspector = new WebSocket(address, { perMessageDeflate: false });
  await once(inspector, "open");
  // The second one frees what the first one only found to be dead.
  for (const id of [1, 2]) {
    inspector.send(JSON.stringify({ id, method: "HeapProfiler.collectGarbage" }));
    await once(inspector, "message");
  }
  inspector.close();
  await once(inspector, "close");
}
