import type { Accept, Link, LinkHandler } from "@sericite/protocol";
import type { Refusal } from "./listener.ts";

/** One link that was accepted, with what came of it. */
export interface GatheredLink {
  readonly link: Link;
  readonly chunks: Buffer[];
  received(): Buffer;
  isClosed: boolean;
  cause: Error | undefined;
}

/** Accepts links as an engine would, and gives back what it gets at the end of the turn. */
export class Gathering {
  readonly links: GatheredLink[] = [];
  readonly refusals: Refusal[] = [];

  readonly accept: Accept = (link): LinkHandler => {
    const chunks: Buffer[] = [];
    const gathered: GatheredLink = {
      link,
      chunks,
      received: () => Buffer.concat(chunks),
      isClosed: false,
      cause: undefined,
    };
    this.links.push(gathered);
    return {
      onData: (bytes, start, end) => {
        const copy = Buffer.from(bytes.slice(start, end));
        chunks.push(copy);
        setImmediate(() => link.write(copy));
      },
      onWritable: () => undefined,
      onClose: (cause) => {
        gathered.isClosed = true;
        gathered.cause = cause;
      },
    };
  };

  readonly onRefused = (refusal: Refusal): void => void this.refusals.push(refusal);
}
