import { UsageError } from "@sericite/protocol";
import type { Publication } from "./publication.ts";

const firstPlaces = 16;

/**
 * Publications by their Packet Identifiers. Identifiers are taken in turn, so those in use lie close together: each
 * has a place of its own in a ring that is not much larger than what is in flight. No `Map`: one that is
 * changed all the time keeps what was in it alive for the garbage collector (bench/src/client-compare.ts).
 */
export class Identified {
  #places: (Publication | undefined)[] = places(firstPlaces);
  #size = 0;

  /** How many there are. */
  get size(): number {
    return this.#size;
  }

  get(packetIdentifier: number): Publication | undefined {
    const publication = this.#places[packetIdentifier & (this.#places.length - 1)];
    return publication?.packetIdentifier === packetIdentifier ? publication : undefined;
  }

  /** Takes one in, whose identifier no other one here has. */
  add(publication: Publication): void {
    const place = publication.packetIdentifier & (this.#places.length - 1);
    const other = this.#places[place];
    if (other?.packetIdentifier === publication.packetIdentifier)
      throw new UsageError("ERR_USAGE", `Packet Identifier ${other.packetIdentifier} is in use`);
    if (other === undefined) {
      this.#places[place] = publication;
      this.#size++;
      return;
    }
    // With 65 536 places each identifier has its own.
    const all = this.all();
    this.#places = places(2 * this.#places.length);
    this.#size = 0;
    for (const one of all) this.add(one);
    this.add(publication);
  }

  /** Lets one go; nothing happens where it is not here. */
  remove(publication: Publication): void {
    const { packetIdentifier } = publication;
    if (this.get(packetIdentifier) !== publication) return;
    this.#places[packetIdentifier & (this.#places.length - 1)] = undefined;
    this.#size--;
    // What a burst needed is given back.
    if (this.#size === 0 && this.#places.length > 256 * firstPlaces) this.clear();
  }

  /** All, in no order. */
  all(): Publication[] {
    return this.#places.filter((publication) => publication !== undefined);
  }

  clear(): void {
    this.#places = places(firstPlaces);
    this.#size = 0;
  }
}

function places(count: number): (Publication | undefined)[] {
  return Array.from({ length: count }, () => undefined);
}
