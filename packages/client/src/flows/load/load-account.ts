import type { CodeParams } from "@postern/shared/messages";
import { hotpCode } from "@postern/shared/otp/hotp";
import { decodeSecret } from "@postern/shared/otp/secret";
import type { KnownDevice } from "../../session/device-file.js";
import type { KeptSession } from "../../session/session-file.js";
import type { Enrolment } from "../enrol.js";
import type { LoginPassword } from "../prove-password.js";

export interface LoadAccountFacts {
  readonly name: string;
  /** It is stretched once, and remembers what came of it. */
  readonly password: LoginPassword;
  /** The session that the account was made with, by which it is deleted. */
  readonly kept: KeptSession;
  readonly device: KnownDevice | undefined;
  /** It counts: so it has another code for every login, where one by time has one in 30 seconds. */
  readonly authenticator: Enrolment;
}

/** An account that was made for a load test, and logs in again and again. */
export class LoadAccount {
  readonly facts: LoadAccountFacts;
  #counter = 1;
  /** Whether the server has taken the last code, as far as that is known. */
  #inStep = true;
  #turn: Promise<void> = Promise.resolve();

  /** The authenticator's first code, that of the counter 0, is used up by its enrolment. */
  constructor(facts: LoadAccountFacts) {
    this.facts = facts;
  }

  /**
   * Gives `act` the next code, once whoever had the one before is done: a server takes them in their order. Behind one
   * of which nobody knows what came of it, two in a row, as of any device that has run ahead.
   */
  async inTurn<T>(act: (code: CodeParams) => Promise<T>): Promise<T> {
    const before = this.#turn;
    let pass = (): void => undefined;
    this.#turn = new Promise((resolve) => {
      pass = resolve;
    });
    await before;
    try {
      const code = this.#inStep ? { code: this.#next() } : { code: this.#next(), second_code: this.#next() };
      this.#inStep = false;
      const result = await act(code);
      this.#inStep = true;
      return result;
    } finally {
      pass();
    }
  }

  #next(): string {
    const { authenticator } = this.facts;
    this.#counter += 1;
    return hotpCode(decodeSecret(authenticator.secret), this.#counter - 1, authenticator);
  }
}
