import { createMemoryStorage } from "../../src/storage/memory.js";
import { storageConformance } from "./conformance.js";

storageConformance("memory", async () => ({ storage: createMemoryStorage(), remove: async () => {} }));
