import { UsageError } from "@sericite/protocol";
import { hmacMd5 } from "./md5.ts";
import { payloadBytes } from "./message.ts";
import type { ConnectOptions } from "./options.ts";
import { hmac } from "./web-crypto.ts";

/** How a sign-in is signed. */
export type AliyunSignMethod = "hmacsha256" | "hmacsha1" | "hmacmd5";

/** A device of Alibaba Cloud IoT Platform. */
export interface AliyunDevice {
  readonly productKey: string;
  readonly deviceName: string;
  readonly deviceSecret: string;
  /** Which of the device's programs it is, up to 64 characters. Default: `PRODUCT_KEY.DEVICE_NAME`. */
  readonly clientId?: string | undefined;
  /** Default `hmacsha256`. */
  readonly signMethod?: AliyunSignMethod | undefined;
  /** Where the product is. Default `cn-shanghai`. */
  readonly region?: string | undefined;
  /**
   * Address of the instance, as its page in the console has it. Default: that of a public instance,
   * `mqtts://PRODUCT_KEY.iot-as-mqtt.REGION.aliyuncs.com:1883`.
   */
  readonly url?: string | undefined;
  /** Milliseconds since 1970. Default: the time of each attempt. */
  readonly timestamp?: number | undefined;
}

/** What a CONNECT of a device says. */
export interface AliyunCredentials {
  readonly clientId: string;
  readonly username: string;
  readonly password: string;
}

/**
 * Signs in as a device.
 *
 * @param isSecure  Whether the transport is encrypted: a part of what is said.
 * @throws UsageError (as a rejection) where something is missing.
 */
export async function aliyunCredentials(
  device: AliyunDevice,
  isSecure: boolean,
): Promise<AliyunCredentials> {
  const { productKey, deviceName, deviceSecret, signMethod = "hmacsha256" } = device;
  const { clientId = `${productKey}.${deviceName}`, timestamp = Date.now() } = device;
  const signed = { clientId, deviceName, productKey, timestamp: String(timestamp) };
  // A caller without types may have left one out.
  const needed: Record<string, string | undefined> = {
    ...signed,
    deviceSecret,
    productKey,
    deviceName,
  };
  for (const [name, value] of Object.entries(needed))
    if (!value) throw new UsageError("ERR_USAGE", `${name} is missing or empty`);
  if (clientId.includes("|"))
    throw new UsageError("ERR_USAGE", `clientId is ${clientId}, expected one without |`);
  // Names and values in the order of the names.
  const content = Object.entries(signed).flat().join("");
  const signature = await sign(payloadBytes(deviceSecret), content, signMethod);
  let password = "";
  for (const byte of signature) password += byte.toString(16).padStart(2, "0");
  const mode = isSecure ? 2 : 3;
  return {
    clientId: `${clientId}|securemode=${mode},signmethod=${signMethod},timestamp=${timestamp}|`,
    username: `${deviceName}&${productKey}`,
    password,
  };
}

function sign(secret: Uint8Array, text: string, method: AliyunSignMethod): Promise<Uint8Array> {
  switch (method) {
    case "hmacsha256":
      return hmac(secret, text, "SHA-256");
    case "hmacsha1":
      return hmac(secret, text, "SHA-1");
    case "hmacmd5":
      return Promise.resolve(hmacMd5(secret, payloadBytes(text)));
    default:
      throw new UsageError(
        "ERR_USAGE",
        `signMethod is ${String(method)}, expected hmacsha256, hmacsha1 or hmacmd5`,
      );
  }
}

/**
 * Options with which `connect` signs in as a device of Alibaba Cloud IoT Platform, anew for each
 * attempt. MQTT 3.1.1, where `options` do not say otherwise; the platform takes a Keep Alive of 30 to
 * 1200 seconds.
 *
 * ```ts
 * const client = await connect(aliyun({ productKey, deviceName, deviceSecret }));
 * await client.publish(`/sys/${productKey}/${deviceName}/thing/event/property/post`, payload);
 * ```
 *
 * @param options  What else the client is opened with.
 */
export function aliyun(device: AliyunDevice, options: ConnectOptions = {}): ConnectOptions {
  const { productKey, deviceName, region = "cn-shanghai" } = device;
  const url = device.url ?? `mqtts://${productKey}.iot-as-mqtt.${region}.aliyuncs.com:1883`;
  return {
    protocolVersion: 4,
    clientId: device.clientId ?? `${productKey}.${deviceName}`,
    url,
    ...options,
    refresh: async (attempt) => {
      const refreshed = await options.refresh?.(attempt);
      const isSecure = /^(mqtts|wss):/.test(attempt.url ?? url);
      return { ...refreshed, ...(await aliyunCredentials(device, isSecure)) };
    },
  };
}
