import type { Deliver } from "../../services/applications/delivery.js";
import type { ReplyToHosts } from "../../services/challenges/reply-to.js";
import type { ServiceContext } from "../../services/context.js";

/** What the routes of the API are made of. */
export interface ApiParts {
  readonly services: ServiceContext;
  readonly server: { readonly name: string; readonly version: string };
  /** Whether the server is being stopped. */
  readonly draining?: (() => boolean) | undefined;
  /** Sends one-time codes. Undefined: this server sends no mail. */
  readonly deliver?: Deliver | undefined;
  /** Where pages of challenges may send people. */
  readonly replyToHosts: ReplyToHosts;
  /** The tags of the languages that there are pages in (BCP 47). */
  readonly locales: readonly string[];
  /** What the store's file takes, and what its disk has left, in bytes. */
  readonly storeUsage?: (() => Promise<{ readonly bytes: number; readonly free?: number }>) | undefined;
  /** When the server was started, in milliseconds since 1970. Undefined: when these routes were made. */
  readonly startedAt?: number | undefined;
}
