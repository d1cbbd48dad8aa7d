import { BrokerProcess } from "../broker-process.ts";
import { crashRun } from "../crash-run.ts";
import { encodePublish, encodeSubscribe } from "../wire/encode.ts";
import { WireClient } from "../wire/wire-client.ts";

/** Client Identifier of a durable session that is offline. */
export const OFFLINE = "torn-offline";
/** Messages that wait for it, one batch each: all were acknowledged. */
export const MARKED = 20;

/**
 * A data directory that a broker left behind: after some kills under load, and a last one right
 * behind the PUBACK of the last of the `MARKED` messages.
 *
 * @returns its path; the caller removes it.
 */
export async function realDirectory(seed: number, kills: number): Promise<string> {
  const { faults, dataDirectory } = await crashRun({
    kills,
    seed,
    durability: "strict",
    // So that much still waits.
    settleEvery: 0,
    lifeMs: [300, 700],
    longestDelay: 2,
    losesLastBatches: false,
    spares: false,
    keep: true,
    progress: () => undefined,
  });
  if (faults.length > 0 || dataDirectory === undefined) throw new Error(faults.join("\n"));
  const broker = new BrokerProcess({ durability: "strict", dataDirectory, port: 0 });
  const port = await broker.listening();
  const offline = await open(port, OFFLINE);
  const suback = offline.waitFor("SUBACK", ({ type }) => type === "suback");
  offline.send(encodeSubscribe(5, 1, "torn/#", 1));
  await suback;
  await offline.disconnect();
  const publisher = await open(port, "torn-publisher");
  for (let number = 0; number < MARKED; number += 1) {
    const puback = publisher.waitFor("PUBACK", ({ type }) => type === "puback");
    publisher.send(
      encodePublish(5, {
        topicName: "torn/it",
        payload: Buffer.from(`torn ${number}`),
        qos: 1,
        retain: false,
        dup: false,
        packetIdentifier: 1,
      }),
    );
    await puback;
  }
  await broker.kill();
  publisher.cut();
  return dataDirectory;
}

function open(port: number, clientId: string): Promise<WireClient> {
  const options = { clientId, version: 5, cleanStart: true, sessionExpiryInterval: 3600 } as const;
  return WireClient.open(port, options, (error) => {
    throw error;
  });
}
