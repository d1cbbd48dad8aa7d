import assert from "node:assert/strict";
import { test } from "node:test";
import type { ScramOptions } from "./scram.ts";
import { ScramExchange, scram } from "./scram.ts";

const text = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes);
const bytes = (value: string): Uint8Array => new TextEncoder().encode(value);

/** The examples of RFC 5802 §5 and RFC 7677 §3. */
const examples = [
  {
    hash: "SHA-1",
    nonce: "fyko+d2lbbFgONRv9qkxdawL",
    challenge: "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
    final: "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
    proof: "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
  },
  {
    hash: "SHA-256",
    nonce: "rOprNGfwEbeRWgbNEkqO",
    challenge:
      "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
    final:
      "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    proof: "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
  },
] as const;
const user = { username: "user", password: "pencil" };

for (const { hash, nonce, challenge, final, proof } of examples) {
  test(`SCRAM-${hash} says what the example of its RFC says, and takes the server's proof only`, async () => {
    const exchange = new ScramExchange({ ...user, hash }, nonce);
    assert.equal(text(exchange.first()), `n,,n=user,r=${nonce}`);
    assert.equal(text(await exchange.answer(bytes(challenge))), final);
    exchange.accept(bytes(proof));
    for (const wrong of [undefined, bytes(""), bytes("v=AAAA")])
      assert.throws(() => exchange.accept(wrong), /has not shown that it knows the password/);
    assert.throws(() => exchange.accept(bytes("e=other-error")), /the server says other-error/);
  });
}

test("a server that accepts without a challenge has shown nothing", () => {
  const exchange = scram(user).begin();
  assert.throws(() => exchange.accept!(undefined), /has not shown/);
});

test("names with = and , are written as RFC 5802 has it, and each exchange has another nonce", async () => {
  const authentication = scram({ username: "a=b,c", password: "p", hash: "SHA-1" });
  assert.equal(authentication.method, "SCRAM-SHA-1");
  const [one, other] = [
    text(await authentication.begin().first()),
    text(await authentication.begin().first()),
  ];
  assert.match(one, /^n,,n=a=3Db=2Cc,r=[A-Za-z0-9+/]{24}$/);
  assert.notEqual(one, other);
});

test("extensions of a challenge are let pass", async () => {
  const exchange = new ScramExchange(user, examples[1].nonce);
  const answer = text(await exchange.answer(bytes(`${examples[1].challenge},x=1`)));
  assert.match(answer, /^c=biws,r=.*,p=/);
});

const { challenge, nonce } = examples[1];
const [, server] = /r=([^,]+)/.exec(challenge)!;
for (const [what, wrong, options] of [
  ["a nonce that is not the client's", `r=x${server},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`, {}],
  ["no nonce of its own", `r=${nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`, {}],
  ["too few iterations", `r=${server},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4095`, {}],
  ["more iterations than are taken", challenge, { iterationsMaximum: 4095 }],
  ["a salt that is no base64", `r=${server},s=$,i=4096`, {}],
  ["no challenge", "", {}],
  ["an extension that must be understood", `m=x,${challenge}`, {}],
] satisfies [string, string, Partial<ScramOptions>][]) {
  test(`a challenge with ${what} is not answered`, async () => {
    const exchange = new ScramExchange({ ...user, ...options }, nonce);
    await assert.rejects(exchange.answer(bytes(wrong)));
  });
}
