import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { connect, scram } from "@sericite/client";
import { createBroker } from "./broker.ts";
import { passwordFile, temporaryFolder } from "./entry.test-support.ts";

for (const hash of ["SHA-256", "SHA-1"] as const) {
  test(`the client signs in by SCRAM-${hash}, and again on its connection; a wrong password is refused`, async () => {
    const file = await passwordFile(join(temporaryFolder(), hash), { "a=b,é": "pencil" }, true);
    await using broker = await createBroker({ settings: { auth: { passwordFile: file } } });
    const { port } = await broker.listen({ port: 0 });
    const url = `mqtt://127.0.0.1:${port}`;
    const user = { username: "a=b,é", password: "pencil", hash };
    await using client = await connect(url, { authentication: scram(user) });
    await client.reauthenticate();
    await client.publish("a", "b", { qos: 1 });
    const wrong = connect(url, { authentication: scram({ ...user, password: "pen" }) });
    await assert.rejects(wrong, { code: "ERR_CONNECT_REFUSED", reasonCode: 0x87 });
  });
}
