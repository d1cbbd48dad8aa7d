import { topic } from "@sericite/client";
import type { Client, StandardSchema } from "@sericite/client";

/** A number in a range. With a library: `z.number().min(-90).max(60)`, or any that speaks Standard Schema. */
const degrees: StandardSchema<number> = {
  "~standard": {
    version: 1,
    vendor: "example",
    validate: (value) =>
      typeof value === "number" && value >= -90 && value <= 60
        ? { value }
        : { issues: [{ message: "is no temperature" }] },
  },
};

/** One definition for publishers and subscribers. */
export const temperature = topic("sensors/:site/:id/temperature", degrees);

export async function report(client: Client, site: string, id: number): Promise<void> {
  await client.publish(temperature, { site, id }, 21.5, { qos: 1 });
}

export async function watch(
  client: Client,
  show: (site: string, degreesCelsius: number) => void,
): Promise<void> {
  await client.subscribe(temperature, ({ params, value }) => show(params.site, value), { qos: 1 });
}
