import { expect } from "vitest";
import { allPaths } from "./code-paths.js";
import type { Clock } from "./in-process.js";
import { awaitingCode, logIn, type Person } from "./person.js";
import { codeOf, type Target, WireClient } from "./wire-client.js";

/** What holds of two servers on one store, whatever they have it in: by the code of one person. */
export interface TwoServers {
  readonly both: readonly [Target, Target];
  readonly person: Person;
  readonly clock: Clock;
}

/** Attack 20: of so many logins at once with one code, half of them at each, exactly one is let in. */
export async function expectOneLogin({ both, person, clock }: TwoServers, logins: number): Promise<void> {
  const clients = (await Promise.all(both.map((server) => awaitingCode(server, person, logins / 2)))).flat();
  const code = person.code(clock);
  const outcomes = (await Promise.all(clients.map((client) => client.call("login.code", { code })))).map(codeOf);
  expect(outcomes.filter((outcome) => outcome === "ok")).toHaveLength(1);
  expect(outcomes.filter((outcome) => outcome === "code_refused")).toHaveLength(5);
  expect(outcomes.filter((outcome) => outcome === "throttled")).toHaveLength(logins - 6);
}

/** Attack 26: wrong codes by all paths and at both are counted together, and then the right one waits too, by all of them. */
export async function expectOneCount({ both, person, clock }: TwoServers): Promise<void> {
  const [here, there] = both;
  const { secret, new_device: device } = await logIn(await WireClient.open(here), person, person.code(clock));
  const gives = await allPaths([here, there], person, { secret, device });
  const outcomes: string[] = [];
  for (const give of [...gives, ...gives.slice(0, 1)]) outcomes.push(codeOf(await give(person.wrongCode(clock))));
  expect(outcomes).toEqual(Array(5).fill("code_refused"));
  for (const give of await allPaths([there, here], person, { secret, device })) {
    expect(codeOf(await give(person.code(clock, 1)))).toBe("throttled");
  }
}
