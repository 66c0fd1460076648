import { Resolver } from "node:dns/promises";

/** All addresses of a name, of both families; empty when it has none. */
export type Resolve = (host: string, signal: AbortSignal) => Promise<readonly string[]>;

/** Of one server for one try, in milliseconds. */
const patience = { timeout: 3_000, tries: 2 };

/** What a name server says of a name that has no address of a family, or is none. */
const ABSENT = new Set(["ENODATA", "ENOTFOUND"]);

/**
 * Asks the system's name servers. Not getaddrinfo, which would take one of the four threads that the store's commits
 * and the stretching run on, for as long as a dead name server keeps it: so the hosts file does not count.
 * @throws when no family was answered
 */
export const resolveByDns: Resolve = (host, signal) => resolveBy(new Resolver(patience), host, signal);

/** The same by a resolver of one's own, which the signal ends. */
export async function resolveBy(resolver: Resolver, host: string, signal: AbortSignal): Promise<readonly string[]> {
  const cancel = () => resolver.cancel();
  signal.addEventListener("abort", cancel, { once: true });
  try {
    const answers = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
    const addresses = answers.flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []));
    const failed = answers.find((answer) => answer.status === "rejected" && !ABSENT.has(answer.reason?.code));
    if (addresses.length === 0 && failed?.status === "rejected") throw failed.reason;
    return addresses;
  } finally {
    signal.removeEventListener("abort", cancel);
  }
}
