import { firstStretchGeneration, stretchFloor, stretchGenerations } from "@postern/shared/kdf";
import { hotpCode } from "@postern/shared/otp/hotp";
import type { HotpParameters, TotpParameters } from "@postern/shared/otp/parameters";
import { decodeSecret } from "@postern/shared/otp/secret";
import { stepAt, totpCode } from "@postern/shared/otp/totp";
import { onTestFinished } from "vitest";
import { Clock, newStore, SECOND, startInProcess, type TestServer } from "../support/in-process.js";
import { Person, register } from "../support/person.js";
import { type HostedOptions, Machine } from "../support/programs.js";
import { WireClient } from "../support/wire-client.js";
import { password } from "./account.js";

/** A server in the test's process, whose clock starts at this moment and goes on when the test says so. */
export interface MovableServer extends TestServer {
  readonly listen: string;
  readonly fingerprint: string;
}

export interface MovableOptions {
  /** What Argon2id costs the client: by default the least that it takes from any server. */
  readonly stretching?: "least" | "real";
}

export async function movableServer({ stretching = "least" }: MovableOptions = {}): Promise<MovableServer> {
  if (stretching === "least") stretchAtLeast();
  const clock = new Clock();
  clock.advance(Date.now() - clock.now());
  const server = await startInProcess(await newStore({ clock }));
  return { ...server, listen: `127.0.0.1:${server.port}`, fingerprint: server.running.fingerprint };
}

/** The servers of this test ask for no more than they must, under the number of what new servers begin with. */
function stretchAtLeast(): void {
  const first = stretchGenerations[firstStretchGeneration];
  const real = { ...first };
  Object.assign(first, stretchFloor);
  onTestFinished(() => void Object.assign(first, real));
}

export function newMachine(): Machine {
  const machine = new Machine();
  onTestFinished(() => machine.close());
  machine.write("password", `${password}\n`);
  return machine;
}

/** What a run of the client came to: each line of its JSON. */
export interface Outcome {
  readonly code: number;
  readonly lines: readonly Record<string, unknown>[];
  /** The last of them. */
  readonly last: Record<string, unknown>;
  readonly error: string | undefined;
}

/** A person with an account at a movable server, and the machines that they use `postern` on. */
export class Owner {
  readonly server: MovableServer;
  readonly person: Person;

  constructor(server: MovableServer, person: Person) {
    this.server = server;
    this.person = person;
  }

  static async register(server: MovableServer, name = "alice"): Promise<Owner> {
    const client = await WireClient.open(server);
    const person = await register(client, new Person(name, password, "real"), { clock: server.clock });
    await client.close();
    return new Owner(server, person);
  }

  /** The authenticator's next unused code: half a minute goes by. */
  code(): string {
    this.server.clock.advance(30 * SECOND);
    return this.person.code(this.server.clock);
  }

  wrongCode(): string {
    return this.person.wrongCode(this.server.clock);
  }

  /** Arguments that every command here takes. */
  at(): string[] {
    return ["--server", this.server.listen, "--fingerprint", this.server.fingerprint];
  }

  async run(machine: Machine, args: readonly string[], options: HostedOptions = {}): Promise<Outcome> {
    const { code, stdout } = await machine.hosted("postern", [...args, ...this.at(), "--json"], options);
    const lines = stdout.trimEnd().split("\n");
    return outcome(code, lines);
  }

  async logIn(machine: Machine, code = this.code(), name = this.person.name): Promise<Outcome> {
    return this.run(machine, ["login", name, "--password-file", "password", "--code", code]);
  }

  /** Enrols an authenticator by script; `first` makes the first code of its secret. */
  async addFactor(
    machine: Machine,
    args: readonly string[],
    first: (secret: Buffer) => string,
  ): Promise<Outcome & { readonly secret: Buffer }> {
    const running = machine.start("postern", ["factor", "add", ...args, ...this.at(), "--json"], { stdin: "open" });
    const [, text = ""] = await running.prints(/"secret":"([A-Z2-7]+)"/);
    const secret = decodeSecret(text);
    running.say(first(secret));
    const { code, stdout } = await running.ended;
    return { ...outcome(code, stdout.trimEnd().split("\n")), secret };
  }

  /** What another authenticator shows now. */
  totp(secret: Buffer, params: TotpParameters): string {
    return totpCode(secret, stepAt(this.server.clock.now(), params.period), params);
  }
}

export const hotpDefaults: HotpParameters = { algorithm: "SHA1", digits: 6 };

export function hotp(secret: Buffer, counter: number): string {
  return hotpCode(secret, counter, hotpDefaults);
}

function outcome(code: number, text: readonly string[]): Outcome {
  const lines = text.map((line) => JSON.parse(line));
  const last = lines.at(-1);
  return { code, lines, last, error: last.error?.code };
}
