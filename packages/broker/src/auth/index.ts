export { Acl } from "./acl.ts";
export { ConfiguredAcl } from "./acl-configured.ts";
export { AclRules } from "./acl-file.ts";
export { rightsOfLists } from "./acl-rights.ts";
export type { RightsList } from "./acl-rights.ts";
export { authSettings } from "./settings.ts";
export { UserAuthenticator } from "./user.ts";
export type { UserOptions } from "./user.ts";
