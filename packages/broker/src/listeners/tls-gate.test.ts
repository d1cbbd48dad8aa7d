import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import { test } from "node:test";
import { connect, TLSSocket } from "node:tls";
import { Gathering } from "./gathering.test-support.ts";
import { certificate, pem } from "./links.test-support.ts";
import { listenTls } from "./tls.ts";

// Node keeps what a TLS socket was made of in a private field: this is how one without it behaves.
Object.defineProperty(TLSSocket.prototype, "_parent", {
  get: () => null,
  set() {
    // Nothing is kept.
  },
});

test("a connection is recognized by its endpoints where Node does not tell what its TLS socket was made of", async () => {
  const gathering = new Gathering();
  const listener = await listenTls(gathering.accept, {
    host: "127.0.0.1",
    port: 0,
    tls: { certificates: [certificate("localhost")] },
    proxy: { protocol: true, trusted: ["127.0.0.1"] },
    onRefused: gathering.onRefused,
  });
  for (const port of [5678, 5679]) {
    const raw = connectTcp(listener.port, "127.0.0.1");
    raw.write(`PROXY TCP4 192.0.2.7 127.0.0.1 ${port} 8883\r\n`);
    const socket = connect({ socket: raw, servername: "localhost", ca: pem("ca.pem") });
    socket.write("x");
    await once(socket, "data");
    assert.equal(gathering.links.at(-1)!.link.peer.port, port);
    raw.destroy();
  }
  assert.deepEqual(gathering.refusals, []);
  await listener.close();
});
