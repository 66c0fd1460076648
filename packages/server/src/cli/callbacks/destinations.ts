import { PosternError } from "@postern/shared/errors";
import { parseServerAddress } from "@postern/shared/server-address";
import type { Destinations } from "../../outward/destinations.js";
import type { Post } from "../../post.js";
import { hostAndPort } from "../../services/challenges/callback-url.js";
import { version } from "../../version.js";
import { parseCallbackPrivate } from "../address-limits.js";

export interface DestinationOptions {
  readonly callbackHosts?: string;
  readonly callbackPrivate?: string;
}

const HTTPS_PORT = 443;

/** `host` or `host:port`, with commas between. @throws PosternError `usage` */
export function parseCallbackHosts(text: string): ReadonlySet<string> {
  return new Set(text.split(",").map((host) => parseHostAndPort(host.trim())));
}

function parseHostAndPort(text: string): string {
  try {
    return parseServerAddress(text, HTTPS_PORT).key;
  } catch (cause) {
    const detail = "--callback-hosts takes hosts with commas between: bot.example, bot.example:8443, [2001:db8::1]:443";
    throw new PosternError("usage", { detail, cause });
  }
}

/** Undefined: nothing goes out. @throws PosternError `usage`, `address_range_invalid` */
export function destinationsOf({ callbackHosts, callbackPrivate }: DestinationOptions): Destinations | undefined {
  if (callbackHosts === undefined) {
    if (callbackPrivate === undefined) return undefined;
    throw new PosternError("usage", { detail: "--callback-private is for --callback-hosts, which is not given" });
  }
  const isPrivateAllowed = callbackPrivate === undefined ? () => false : parseCallbackPrivate(callbackPrivate).covers;
  return { hosts: parseCallbackHosts(callbackHosts), isPrivateAllowed };
}

export async function openPost(destinations: Destinations): Promise<Post> {
  const { createPost } = await import("../../outward/post.js");
  return createPost({ destinations, userAgent: `posternd/${version}` });
}

/**
 * What an operator should know of a URL when the callback is made, not when the first message does not arrive.
 * @throws PosternError `callback_host_refused`
 */
export function warningsOf(url: string, options: DestinationOptions): string[] {
  const host = hostAndPort(url);
  const destinations = destinationsOf(options);
  if (destinations === undefined) return [`nothing is delivered until the server runs with --callback-hosts ${host}`];
  if (!destinations.hosts.has(host)) throw new PosternError("callback_host_refused", { detail: host });
  if (url.startsWith("https:") || options.callbackPrivate !== undefined) return [];
  return ["without TLS nothing is delivered but to addresses of --callback-private"];
}
