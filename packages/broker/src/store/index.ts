export { LogStore } from "./log/log-store.ts";
export { MemoryStore } from "./memory.ts";
export { LocalOwnership, NullBus } from "./single-node.ts";
