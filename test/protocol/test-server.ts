import { randomBytes } from "node:crypto";
import { PosternError } from "@postern/shared/errors";
import { parseListenAddress } from "@postern/shared/server-address";
import { type Barrier, createBarrier } from "../../packages/server/src/barrier/barrier.js";
import { defaultLimits, startServer } from "../../packages/server/src/server.js";
import type { RegistrationMode } from "../../packages/server/src/services/context.js";
import { initialiseStore, readSettings } from "../../packages/server/src/services/store.js";
import { raiseStretch } from "../../packages/server/src/services/stretching.js";
import { createMemoryStorage } from "../../packages/server/src/storage/memory.js";
import type { AdmissionLimits } from "../../packages/server/src/wire/admission.js";

/** A whole server within this process, on a store in memory, whose clock the test sets. */
export interface TestServer {
  readonly port: number;
  readonly fingerprint: string;
  readonly barrier: Barrier;
  /** Seconds since 1970; it stands still. */
  time: number;
  /** Whether the disk fails from now on, or the database is away. */
  broken: boolean | "away";
  /** What an operator does who wants passwords stretched further. */
  raise(generation: number): Promise<void>;
  close(): Promise<void>;
}

export interface TestServerOptions {
  readonly registration?: RegistrationMode;
  /** Whether each address has its limits. */
  readonly byAddress?: boolean;
  readonly deadlines?: Partial<AdmissionLimits["deadlines"]>;
}

/** The beginning of a time step. */
const START = 1_790_000_010;

const cheap = { stretch: { memoryKiB: 8, passes: 1 } };
const silent = { debug() {}, info() {}, warn() {}, error() {} };

export async function startTestServer({
  registration = "open",
  deadlines,
  byAddress = false,
}: TestServerOptions = {}): Promise<TestServer> {
  const storage = createMemoryStorage();
  const state: { time: number; broken: boolean | "away" } = { time: START, broken: false };
  const shaky = {
    ...storage,
    transact: <T>(fn: Parameters<typeof storage.transact<T>>[0]) =>
      state.broken === false
        ? storage.transact(fn)
        : Promise.reject(new PosternError(state.broken === "away" ? "store_unreachable" : "store_failed")),
  };
  const barrier = await createBarrier(shaky, Buffer.from("correct horse battery"), cheap);
  const now = () => state.time * 1000;
  await initialiseStore(barrier, { now, random: randomBytes }, ["localhost"]);
  const { node } = await readSettings(barrier);
  const context = { barrier, node, now, random: randomBytes, registration, issuer: () => "" };
  const server = await startServer({
    barrier,
    now,
    registration,
    listen: parseListenAddress("127.0.0.1:0"),
    http: undefined,
    publicUrl: undefined,
    log: silent,
    exempt: () => !byAddress,
    limits: { ...defaultLimits, deadlines: { ...defaultLimits.deadlines, ...deadlines } },
  });
  return Object.assign(state, {
    port: server.listen.port,
    fingerprint: server.fingerprint,
    barrier,
    raise: async (generation: number) => void (await raiseStretch(context, generation)),
    close: () => server.close(),
  });
}
