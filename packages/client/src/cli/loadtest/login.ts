import { PosternError } from "@postern/shared/errors";
import type { Output } from "@postern/shared/terminal/output";
import { say } from "@postern/shared/terminal/terminal-text";
import { loadLogin } from "../../flows/load/load-login.js";
import { lookUpTarget } from "../../flows/load/own-target.js";
import { openServer } from "../../flows/open-server.js";
import { serverChoiceOf } from "../options.js";
import { parseNumber } from "../otp/numbers.js";
import { LoadAccounts } from "./accounts.js";
import { type LoadHost, loadHostOf, withStops } from "./host.js";
import { type LoadOptions, planOf } from "./options.js";
import { judge, runAndTell } from "./run.js";

export interface LoginLoadOptions extends LoadOptions {
  readonly accounts?: string;
  readonly keep?: boolean;
}

const ACCOUNTS_MAX = 10_000;
const ACCOUNTS = 100;

/** Of connections without a session. */
const places = { ofAddress: 8, ofAll: 512 } as const;

export async function loadtestLoginCommand(
  output: Output,
  options: LoginLoadOptions,
  host: LoadHost = loadHostOf(output, options),
): Promise<void> {
  const plan = planOf(options);
  const { accounts: given, keep = false } = options;
  const byDefault = Math.min(plan.concurrency, ACCOUNTS);
  const count = given === undefined ? byDefault : parseNumber("--accounts", given, { least: 1, most: ACCOUNTS_MAX });
  const named = serverChoiceOf(options);
  const lookup = await lookUpTarget(named.address.host, host.resolve, options.iOwnThisServer === true);
  const target = { environment: host.environment, choice: { ...named, lookup }, wait: host.wait };
  await greet(target);
  await withStops(host.signals, async (stops) => {
    const made = new LoadAccounts(output, target, host);
    try {
      const accounts = await made.make(count, stops.load);
      const { load: signal } = stops;
      const outcome = await runAndTell(
        output,
        {
          what: ["login", "logins"],
          target: named.address.key,
          plan,
          request: async (number, timed) => {
            const account = accounts[number % count];
            if (account === undefined) throw new PosternError("bug", { detail: "no account for a login" });
            await loadLogin(target, account, { timed, signal });
          },
          signal,
          places,
        },
        host,
      );
      judge(outcome);
    } finally {
      if (!keep) await made.clear(stops.clearing);
      else if (!output.json) output.note(say`The accounts stay: ${made.prefix}-1 and so on.`);
    }
  });
}

/**
 * The first connection stands alone: a person is asked once whether to trust the server.
 * @throws PosternError as `openServer`; `registration_closed`, `invite_needed`
 */
async function greet({ environment, choice }: Parameters<typeof loadLogin>[0]): Promise<void> {
  const { rpc, greeting } = await openServer(environment, choice, "login");
  rpc.close();
  if (greeting.registration === "closed") throw new PosternError("registration_closed");
  if (greeting.registration === "invite") throw new PosternError("invite_needed");
}
