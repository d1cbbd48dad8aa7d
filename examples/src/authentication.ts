import { createBroker } from "@sericite/broker";
import type { Broker } from "@sericite/broker";

const accounts = new Map([["alice", { password: "wonderland", tenant: "acme" }]]);

/** Users of your own; each is known to the broker by a Client Identifier that only its tenant can have. */
export function start(): Promise<Broker> {
  return createBroker({
    authenticators: [
      async ({ clientId, username, password }) => {
        const account = await Promise.resolve(accounts.get(username ?? ""));
        // The next one is asked: a password file, say.
        if (account === undefined) return "next";
        if (password === undefined || new TextDecoder().decode(password) !== account.password)
          return false;
        return {
          accepted: true,
          clientId: `${account.tenant}:${clientId}`,
          rights: { mayPublish: (topicName) => topicName.startsWith(`${account.tenant}/`) },
          expiresInMs: 8 * 3600 * 1000,
        };
      },
    ],
  });
}
