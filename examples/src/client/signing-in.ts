import { connect, scram } from "@sericite/client";
import type { Client } from "@sericite/client";

/** Signs in with a password that is never sent; a server that does not know it is found out. */
export function join(url: string, username: string, password: string): Promise<Client> {
  return connect(url, { authentication: scram({ username, password }) });
}
