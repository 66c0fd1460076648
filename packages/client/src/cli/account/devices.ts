import { resolveId } from "@postern/shared/terminal/abbreviated-ids";
import type { Output } from "@postern/shared/terminal/output";
import { table } from "@postern/shared/terminal/table";
import { say } from "@postern/shared/terminal/terminal-text";
import { type LiveSession, withSession } from "../../flows/live-session.js";
import { withStepUp } from "../../flows/step-up.js";
import { dropDevice, knownDevice } from "../../session/device-file.js";
import { sessionUseOf } from "../kept-session.js";
import type { GlobalOptions } from "../options.js";
import type { AccountOptions } from "./options.js";
import { seenRows } from "./seen-rows.js";
import { counted, oneOrOthers } from "./sessions.js";
import { stepUpCodeOf } from "./step-up-code.js";

/** Returns how many there are beside this one. */
export async function deviceListCommand(output: Output, options: GlobalOptions): Promise<number> {
  return withSession(await sessionUseOf(output, options), async (session) => {
    const { devices } = await session.call("device.list", {});
    const rows = seenRows(devices, ({ device }) => device, "this device");
    const lines = devices.length === 0 ? [say`No device is known.`] : table(heading, rows);
    output.result({ devices }, ...lines);
    return devices.filter(({ current }) => !current).length;
  });
}

const heading = ["device", "last seen", "address", "client", ""];

/** @throws PosternError `id_unknown`; `usage` unless there is either an id or `--others` */
export async function deviceForgetCommand(
  output: Output,
  typed: string | undefined,
  options: AccountOptions,
): Promise<void> {
  const one = oneOrOthers(typed, options);
  const use = await sessionUseOf(output, options);
  const askCode = stepUpCodeOf(use.environment, options);
  await withSession(use, async (session) => {
    const { paths } = session.environment;
    const { address } = session.choice;
    if (one === undefined) {
      const { forgotten } = await withStepUp(session, askCode, () => session.call("device.forget_others", {}));
      const here = await deviceHere(session);
      if (here !== undefined && here.device !== session.facts.device) await dropDevice(paths, address, here.device);
      output.result({ forgotten }, say`Forgot ${counted(forgotten, "other device")}.`);
      return;
    }
    const { devices } = await session.call("device.list", {});
    const id = resolveId(
      "device",
      devices.map(({ device }) => device),
      one,
    );
    await withStepUp(session, askCode, () => session.call("device.forget", { device: id }));
    await dropDevice(paths, address, id);
    output.result({ forgotten: 1, device: id }, say`Forgot ${id}.`);
  });
}

/** What this machine is to the account of a session. */
export function deviceHere({ environment, choice, kept, facts }: LiveSession) {
  const owner = { server: choice.address, fingerprint: kept.fingerprint, name: facts.name };
  return knownDevice(environment.paths, owner);
}
