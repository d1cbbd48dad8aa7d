export { seededRandom, Chance } from "./random.ts";
export { FakeClock } from "./fake-clock.ts";
export { EventScheduler, SimulatedProcess } from "./event-scheduler.ts";
export { Answer } from "./answer.ts";
export { FaultyLink, faultyLinkPair, dialFaulty, NO_LINK_FAULTS } from "./faulty-link.ts";
export type { FaultyLinkOptions, LinkFaults, LinkWatcher, OnLink } from "./faulty-link.ts";
export { FaultMedium, FaultStore, NO_STORE_FAULTS } from "./fault-store.ts";
export type { StoreFaults } from "./fault-store.ts";
export type { KeptRecord, WatchedStore } from "./watched-store.ts";
export { NO_DISK_FAULTS, SimulatedDisk, SimulatedMedium } from "./simulated-disk.ts";
export type { DiskFaults } from "./simulated-disk.ts";
export { RecordState, collectRecovery } from "./record-state.ts";
export type { RecoveredState } from "./record-state.ts";
export { FaultOwnership } from "./fault-ownership.ts";
export { FaultAuthenticator } from "./fault-authenticator.ts";
export type { AuthenticatorFaults } from "./fault-authenticator.ts";
export { LaggingBus } from "./lagging-bus.ts";
export {
  SimulatedBus,
  SimulatedDirectory,
  SimulatedNetwork,
  SimulatedOwnership,
  simulatedCluster,
} from "./simulated-cluster.ts";
export type { SimulatedCluster, SimulatedClusterOptions } from "./simulated-cluster.ts";
export { linkContract } from "./link-contract.ts";
export type { LinkHarness } from "./link-contract.ts";
export { storeContract } from "./store-contract.ts";
export type { StoreHarness } from "./store-contract.ts";
export { ownershipContract } from "./ownership-contract.ts";
export type { OwnershipHarness } from "./ownership-contract.ts";
export { busContract } from "./bus-contract.ts";
export type { BusHarness } from "./bus-contract.ts";
export { authenticatorContract } from "./authenticator-contract.ts";
export type { AuthenticatorHarness } from "./authenticator-contract.ts";
export { PacketTap } from "./packet-tap.ts";
export type { PacketListener } from "./packet-tap.ts";
export { Ledger } from "./ledger.ts";
export type { LedgerOptions } from "./ledger.ts";
export { RawClient } from "./raw-client.ts";
export type { RawConnectOptions, RawPublish } from "./raw-client.ts";
export { SimulatedBroker, simulatedBroker } from "./simulated-broker.ts";
export type { SimulatedBrokerOptions } from "./simulated-broker.ts";
export { simulate, Simulation } from "./simulation.ts";
export type { SimulationOptions, SimulationResult } from "./simulation.ts";
export type { SimulationPlan } from "./simulation-plan.ts";
