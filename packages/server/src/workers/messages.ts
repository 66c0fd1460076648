import type { CountedPort, CrewServer } from "../crew-member.js";

/**
 * What the first process and its workers say to each other, as JSON over the channel that Node gives them. No secret is
 * ever in it: the root key goes by a pipe of its own (`key-pipe.ts`).
 */

/** What ends in order has so long for it: then it hangs. */
export const CLOSING_MS = 30_000;

/** The first thing that a worker hears. */
export interface Begin {
  readonly do: "begin";
  readonly worker: number;
  readonly workers: number;
  readonly replaces: boolean;
  readonly server: CrewServer;
  /** The settled options of `posternd start`. */
  readonly options: object;
}

export type ToWorker =
  | Begin
  | { readonly do: "wait"; readonly id: number; readonly seconds: number }
  | { readonly do: "give-up"; readonly port: CountedPort; readonly group: string }
  | { readonly do: "wake" }
  | { readonly do: "figures"; readonly id: number }
  | { readonly do: "show"; readonly id: number; readonly text: string }
  | { readonly do: "log-level"; readonly level: string }
  | { readonly do: "reload" }
  /** Ends in order, in three steps: what is under way comes to its end, or is cut off, and then the process ends. */
  | { readonly do: "drain" }
  | { readonly do: "cut" }
  | { readonly do: "close" };

/** Where a server can be reached, and as whom. */
export interface Served {
  readonly listen: string;
  readonly http: string | undefined;
  readonly fingerprint: string;
}

/**
 * How many more places a group has at a port, or fewer; how many were newly taken; how many times it was told to give one
 * up, and has done so if it could; and how many it may have in all.
 */
export interface PlaceChange {
  readonly port: CountedPort;
  readonly group: string;
  readonly by: number;
  readonly taken: number;
  readonly answered: number;
  readonly limit: number;
}

/** Its program is loaded, and it listens: what was said before is lost. */
export interface Here {
  readonly say: "here";
}

export type FromWorker =
  | Here
  | ({ readonly say: "ready" } & Served)
  | { readonly say: "failed"; readonly code: string; readonly detail: string | undefined }
  | { readonly say: "start"; readonly id: number; readonly key: string }
  | { readonly say: "places"; readonly changes: readonly PlaceChange[] }
  | { readonly say: "enqueued" }
  | { readonly say: "metrics"; readonly id: number }
  | { readonly say: "figures"; readonly id: number; readonly figures: readonly object[] }
  | { readonly say: "draining"; readonly underWay: number }
  | { readonly say: "drained"; readonly left: number };
