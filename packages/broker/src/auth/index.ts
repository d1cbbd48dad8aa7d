export { authSettings } from "./settings.ts";
export { UserAuthenticator } from "./user.ts";
export type { UserOptions } from "./user.ts";
