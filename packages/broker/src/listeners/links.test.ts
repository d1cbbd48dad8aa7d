import { connect } from "node:net";
import { join } from "node:path";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { linkContract } from "../testing/link-contract.ts";
import { certificate, dialSocket, dialTls, dialWebSocket, harness } from "./links.test-support.ts";
import { listenTcp } from "./tcp.ts";
import { listenTls } from "./tls.ts";
import { listenUnix } from "./unix.ts";
import { listenWebSocket } from "./websocket.ts";

const address = { host: "127.0.0.1", port: 0 };
const tls = { certificates: [certificate("localhost")] };
const path = join(mkdtempSync(join(tmpdir(), "sericite-")), "broker.sock");

for (const usesDataEvents of [false, true]) {
  linkContract(usesDataEvents ? "TCP with data events" : "TCP", () =>
    harness(
      (accept) => listenTcp(accept, { ...address, usesDataEvents }),
      (port) => dialSocket(connect({ port, host: "127.0.0.1" })),
    ),
  );
}

linkContract("TLS", () => harness((accept) => listenTls(accept, { ...address, tls }), dialTls));

linkContract("WebSocket", () =>
  harness(
    (accept) => listenWebSocket(accept, address),
    (port) => dialWebSocket(port, false),
  ),
);

linkContract("secure WebSocket", () =>
  harness(
    (accept) => listenWebSocket(accept, { ...address, tls }),
    (port) => dialWebSocket(port, true),
  ),
);

linkContract("Unix socket", () =>
  harness(
    (accept) => listenUnix(accept, { path }),
    () => dialSocket(connect(path)),
  ),
);
