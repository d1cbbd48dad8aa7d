import assert from "node:assert/strict";
import { test } from "node:test";
import type { Authentication, Authenticator, ConnectRequest } from "../engine/ports.ts";

/** An authenticator of one kind that knows one user, for one test. */
export interface AuthenticatorHarness {
  readonly authenticator: Authenticator;
  /** A Username and Password that it accepts. */
  readonly username: string;
  readonly password: string;
  /** Whether a CONNECT without Username is accepted. */
  readonly allowsAnonymous: boolean;
  /** Lets what is under way happen. */
  readonly quiet: () => Promise<void>;
}

/** The contract of `Authenticator`, as tests. */
export function authenticatorContract(
  kind: string,
  harness: () => AuthenticatorHarness | Promise<AuthenticatorHarness>,
): void {
  const ask = async (
    { authenticator, quiet }: AuthenticatorHarness,
    username: string | undefined,
    password: Uint8Array | undefined,
  ): Promise<Authentication> => {
    const request: ConnectRequest = {
      clientId: "sensor",
      username,
      password,
      protocolVersion: 5,
      cleanStart: true,
      userProperties: [],
      peer: { listener: "memory", transport: "memory" },
    };
    const answer = Promise.resolve(authenticator.authenticate(request));
    await quiet();
    return answer;
  };
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

  test(`${kind} authenticator: the right Password is accepted`, async () => {
    const under = await harness();
    const answer = await ask(under, under.username, bytes(under.password));
    assert.equal(answer.accepted, true);
  });

  for (const [what, username, password] of [
    [
      "a wrong Password",
      (u: AuthenticatorHarness) => u.username,
      (u: AuthenticatorHarness) => bytes(`${u.password}x`),
    ],
    ["an empty Password", (u: AuthenticatorHarness) => u.username, () => bytes("")],
    ["no Password", (u: AuthenticatorHarness) => u.username, () => undefined],
    [
      "an unknown Username",
      (u: AuthenticatorHarness) => `${u.username}x`,
      (u: AuthenticatorHarness) => bytes(u.password),
    ],
    ["an empty Username", () => "", (u: AuthenticatorHarness) => bytes(u.password)],
  ] as const) {
    test(`${kind} authenticator: ${what} is refused with a Reason Code of failure`, async () => {
      const under = await harness();
      const answer = await ask(under, username(under), password(under));
      assert.equal(answer.accepted, false);
      if (!answer.accepted && answer.reasonCode !== undefined)
        assert.ok(answer.reasonCode >= 0x80 && answer.reasonCode <= 0xff);
    });
  }

  test(`${kind} authenticator: no Username is accepted only where anonymous access is allowed`, async () => {
    const under = await harness();
    assert.equal((await ask(under, undefined, undefined)).accepted, under.allowsAnonymous);
  });

  test(`${kind} authenticator: the Password's bytes are not changed`, async () => {
    const under = await harness();
    const password = bytes(under.password);
    await ask(under, under.username, password);
    assert.deepEqual(password, bytes(under.password));
  });

  test(`${kind} authenticator: questions do not disturb each other`, async () => {
    const under = await harness();
    const right = bytes(under.password);
    const wrong = bytes(`${under.password}x`);
    const answers = await Promise.all([
      ask(under, under.username, right),
      ask(under, under.username, wrong),
      ask(under, under.username, right),
    ]);
    assert.deepEqual(
      answers.map((answer) => answer.accepted),
      [true, false, true],
    );
  });
}
