import { createHmac, timingSafeEqual } from "node:crypto";
import { createBroker } from "@sericite/broker";
import type { Broker } from "@sericite/broker";
import { connect } from "@sericite/client";
import type { Client } from "@sericite/client";
import { aliyun } from "@sericite/client/aliyun";
import type { AliyunDevice } from "@sericite/client/aliyun";

/** Devices that the platform knows: their secrets by `DEVICE_NAME&PRODUCT_KEY`. */
export type Secrets = ReadonlyMap<string, string>;

const hashes: Readonly<Record<string, string>> = {
  hmacsha256: "sha256",
  hmacsha1: "sha1",
  hmacmd5: "md5",
};

/** A broker that looks at sign-ins as Alibaba Cloud IoT Platform does: to try a device without it. */
export function start(secrets: Secrets): Promise<Broker> {
  return createBroker({
    authenticators: [
      ({ clientId, username = "", password }) => {
        const [id, parameters] = clientId.split("|");
        const { signmethod, timestamp } = Object.fromEntries(
          (parameters ?? "").split(",").map((parameter) => parameter.split("=")),
        ) as Record<string, string | undefined>;
        const [deviceName, productKey] = username.split("&");
        const secret = secrets.get(username);
        const hash = hashes[signmethod ?? ""];
        if (secret === undefined || hash === undefined || password === undefined) return false;
        const text = `clientId${id}deviceName${deviceName}productKey${productKey}timestamp${timestamp}`;
        const expected = createHmac(hash, secret).update(text).digest("hex");
        const given = new TextDecoder().decode(password).toLowerCase();
        if (given.length !== expected.length) return false;
        return timingSafeEqual(Buffer.from(given), Buffer.from(expected));
      },
    ],
  });
}

/** A device that tells its temperature. */
export async function tell(device: AliyunDevice, temperature: number): Promise<Client> {
  const client = await connect(aliyun(device));
  const { productKey, deviceName } = device;
  await client.publish(
    `/sys/${productKey}/${deviceName}/thing/event/property/post`,
    JSON.stringify({ id: "1", version: "1.0", params: { temperature } }),
    { qos: 1 },
  );
  return client;
}
