export {
  parsePasswordFile,
  readPasswordText,
  usernameFault,
  withoutUser,
  withUser,
  writePasswordText,
} from "./auth/password-file.ts";
export type { PasswordUser, PasswordUsers } from "./auth/password-file.ts";
export { defaultScryptCost, hashPassword, scryptFault } from "./auth/password-hash.ts";
export type { PasswordHash, ScryptCost } from "./auth/password-hash.ts";
export { defaultScramIterations, makeScramVerifier } from "./auth/scram-verifier.ts";
export type { ScramDigest, ScramVerifier } from "./auth/scram-verifier.ts";
