import { connect } from "@sericite/client";
import type { Client } from "@sericite/client";
import { brotli, compression, gzip } from "@sericite/client/compression";

/** A client that sends logs and readings in less bytes, and reads what others compressed. */
export function join(url: string): Promise<Client> {
  return connect(url, {
    compression: compression({ topics: { "logs/#": brotli, "+/readings": gzip } }),
  });
}
