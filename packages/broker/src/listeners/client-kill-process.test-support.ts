/**
 * A process to be killed: publishes numbers from FIRST on, odd ones at QoS 2 and even ones at QoS 1,
 * and says the last one that its store has. Without FIRST it sends what is left, and ends.
 *
 *     node client-kill-process.test-support.js URL STORE [FIRST]
 */
import { connect, fileStore } from "@sericite/client";

const [url = "", path = "", first] = process.argv.slice(2);
const client = await connect(url, { clientId: "killed", store: fileStore(path) });
if (first === undefined) await client.disconnect();
else {
  for (let number = Number(first); ; number++) {
    client
      .publish("t", String(number), { qos: number % 2 === 1 ? 2 : 1 })
      .catch((error: unknown) => console.error(error));
    if (number % 10 !== 0) continue;
    await client.flush();
    process.stdout.write(`${number}\n`);
  }
}
