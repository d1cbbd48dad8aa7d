import { once } from "node:events";
import { createServer } from "node:net";

/** Below what systems give out by themselves: else a connection of anybody takes it while the broker is dead. */
const LOWEST = 12_000;
const HIGHEST = 32_000;

/** A port of loopback that nobody listens on, and that the system gives to nobody who does not name it. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST));
    const server = createServer().listen(port, "127.0.0.1");
    // "error" rejects.
    const isFree = await once(server, "listening").then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    server.close();
    await once(server, "close");
    return port;
  }
}
