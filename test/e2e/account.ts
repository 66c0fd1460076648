import { totpDefaults } from "@postern/shared/otp/parameters";
import { decodeSecret } from "@postern/shared/otp/secret";
import { stepAt, totpCode } from "@postern/shared/otp/totp";
import type { Machine, Server } from "../support/programs.js";

export const password = "seven quiet lighthouses";

/**
 * A person's authenticator app. The server takes the steps of now and one to either side, in rising order; so a
 * registration and one login need no waiting, and further logins take recovery codes.
 */
export class Authenticator {
  readonly #secret: Uint8Array;
  #last = -1;

  constructor(secret: string) {
    this.#secret = decodeSecret(secret);
  }

  /** The code of the earliest step that was not used yet. */
  next(): string {
    const now = currentStep();
    this.#last = Math.max(this.#last + 1, now);
    if (this.#last > now + 1) throw new Error("the next code is two steps away: take a recovery code");
    return this.#code(this.#last);
  }

  /** The code that was given last, once more. */
  again(): string {
    return this.#code(this.#last);
  }

  /** So many different codes that are right at no step around now. */
  wrong(count: number): string[] {
    const now = currentStep();
    const right = new Set(Array.from({ length: 40 }, (_, index) => this.#code(now - 30 + index)));
    const all = Array.from({ length: count + right.size }, (_, index) => String(index * 1001).padStart(6, "0"));
    return all.filter((code) => !right.has(code)).slice(0, count);
  }

  #code(step: number): string {
    return totpCode(this.#secret, step, totpDefaults);
  }
}

function currentStep(): number {
  return stepAt(Date.now(), totpDefaults.period);
}

export interface Account {
  readonly name: string;
  /** `acc_…` */
  readonly id: string;
  readonly authenticator: Authenticator;
  readonly recoveryCodes: readonly string[];
}

/** What a command needs to know of a server that this machine has met or not. */
export function at({ listen, fingerprint }: Server): string[] {
  return ["--server", listen, "--fingerprint", fingerprint];
}

/** Registers as a script does it: JSON lines on stdout, the first code on stdin. */
export async function registerByScript(machine: Machine, server: Server, name: string): Promise<Account> {
  const file = machine.write("password", `${password}\n`);
  const args = ["register", name, ...at(server), "--password-file", file, "--json"];
  const running = machine.start("postern", args, { stdin: "open" });
  const [, secret = ""] = await running.prints(/"secret":"([A-Z2-7]+)"/);
  const authenticator = new Authenticator(secret);
  running.say(authenticator.next());
  const { code, stdout } = await running.ended;
  if (code !== 0) throw new Error(`the registration ended with ${code}: ${stdout}`);
  const { account, recovery_codes } = JSON.parse(stdout.split("\n")[1] ?? "");
  return { name, id: account, authenticator, recoveryCodes: recovery_codes };
}

/** The arguments of a scripted login. */
export function loginArgs(machine: Machine, server: Server, name: string, code: string): string[] {
  return ["login", name, ...at(server), "--password-file", machine.write("password", `${password}\n`), "--code", code];
}
