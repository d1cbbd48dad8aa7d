export * from "./packet.ts";
export * from "./reason-code.ts";
export * from "./errors.ts";
export * from "./ports/clock.ts";
export * from "./ports/scheduler.ts";
export * from "./ports/random.ts";
export * from "./ports/link.ts";
