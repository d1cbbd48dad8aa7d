export { AuthenticatorChain } from "./chain.ts";
export type { ChainAnswer, ChainedAuthenticator } from "./chain.ts";
export { HashQueue } from "./hash-queue.ts";
export { parsePasswordFile, readPasswordText } from "./password-file.ts";
export { PasswordAuthenticator } from "./passwords.ts";
export { authSettings } from "./settings.ts";
export { UserAuthenticator } from "./user.ts";
export type { UserOptions } from "./user.ts";
