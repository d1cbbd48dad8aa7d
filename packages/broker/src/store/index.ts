export { MemoryStore } from "./memory.ts";
export { LocalOwnership, NullBus } from "./single-node.ts";
