import { abbreviate } from "@postern/shared/terminal/abbreviated-ids";
import { localTime } from "../local-time.js";

/** Where a session or a device was last seen, as the server lists it. */
interface Seen {
  readonly last_seen_at: number;
  readonly address: string;
  readonly client: string;
  readonly current: boolean;
}

/** Rows of id, time, address, client and, in the one that asks, `mark`. */
export function seenRows<S extends Seen>(list: readonly S[], idOf: (seen: S) => string, mark: string): string[][] {
  const ids = abbreviate(list.map(idOf));
  return list.map(({ last_seen_at, address, client, current }, index) => [
    ids[index] ?? "",
    localTime(last_seen_at),
    address,
    client,
    current ? mark : "",
  ]);
}
