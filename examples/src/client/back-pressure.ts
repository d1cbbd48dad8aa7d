import type { Client, Message, Subscription } from "@sericite/client";

/** Works on jobs, at most `workers` at a time. The server keeps the others, or gives them to another worker. */
export function startWorkers(
  client: Client,
  workers: number,
  work: (job: Message) => Promise<void>,
): Promise<Subscription> {
  let atWork = 0;
  let whenFree = (): void => undefined;
  const run = async (job: Message): Promise<void> => {
    try {
      await work(job);
      job.ack();
    } catch (error) {
      // For the server the job is done with: it is sent to nobody again.
      job.reject(0x83, error instanceof Error ? error.message : undefined);
    } finally {
      atWork--;
      whenFree();
    }
  };
  return client.subscribe(
    "$share/workers/jobs/#",
    (job) => {
      atWork++;
      void run(job);
      if (atWork < workers) return undefined;
      // The next job comes when this promise settles.
      return new Promise<void>((resolve) => (whenFree = resolve));
    },
    { qos: 1, acknowledge: "manual", bufferMaximum: 100 },
  );
}
