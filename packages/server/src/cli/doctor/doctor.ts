import { PosternError } from "@postern/shared/errors";
import { parseListenAddress } from "@postern/shared/server-address";
import type { Output } from "@postern/shared/terminal/output";
import { bold, green, red, say, type TerminalText, yellow } from "@postern/shared/terminal/terminal-text";
import type { Command } from "commander";
import type { OpenStore, SealedStore, StoreLocation } from "../../store.js";
import { version } from "../../version.js";
import { parseForwarders } from "../address-limits.js";
import { resolutionOf, resolveOptions } from "../config/resolve.js";
import type { StartOptions } from "../serving.js";
import { locationOf, unsealSealed } from "../unseal.js";
import { type Finding, ok, warn } from "./finding.js";
import { lookAtHttpCertificate } from "./http-certificate.js";
import { isSynchronized, judgeClock, judgeNode, lookAtEntropy, lookAtLimits, lookAtMemory } from "./machine.js";
import { lookAtMail } from "./mail.js";
import { lookAtPort } from "./ports.js";
import { failed, judgeVersions, lookAtDatabase, lookAtDirectory, lookAtFile, lookInside } from "./store.js";

/** What needs the admin password, in words. */
const inside = "the audit log, the clock against it, the certificate, the API keys, the servers that run";

/**
 * Looks at everything that it can, whatever it finds on the way, and says of each what to do.
 * @throws PosternError `doctor_failed` when something has to be mended
 */
export async function doctorCommand(output: Output, command: Command): Promise<void> {
  const findings: Finding[] = [judgeNode(process.version), ...(await lookAtConfig(command))];
  const options: StartOptions = command.optsWithGlobals();
  findings.push(await lookAtMemory(), await lookAtEntropy(), ...(await lookAtLimits()));
  const { found, skipped } = await lookAtStore(output, options);
  findings.push(...found, ...(await lookAtPorts(options)), ...(await lookAtHttpCertificate(options, Date.now())));
  findings.push(...(await lookAtMail(options)));
  report(output, findings, skipped);
}

/** The other checks go on with flags, variables and defaults, when the file is of no use. */
async function lookAtConfig(command: Command): Promise<Finding[]> {
  try {
    const warnings = await resolveOptions(command);
    if (warnings.length > 0) return warnings.map((what) => warn("config", what, "close it to others"));
    const { file } = resolutionOf(command);
    return [ok("config", file === undefined ? "no configuration file" : `${file} is understood`)];
  } catch (thrown) {
    return [failed("config", thrown)];
  }
}

interface Looked {
  readonly found: Finding[];
  readonly skipped: readonly string[];
}

async function lookAtStore(output: Output, options: StartOptions): Promise<Looked> {
  const { found, sealed } = await lookFromOutside(output, options);
  if (sealed === undefined) return { found: [...found, ...(await withoutStore())], skipped: [] };
  if (options.adminPasswordFile === undefined) {
    await sealed.close();
    return { found: [...found, ...(await withoutStore())], skipped: [inside] };
  }
  let store: OpenStore | undefined;
  try {
    store = await unsealSealed(output, options, sealed);
    return { found: [...found, ...(await lookInside(store, Date.now()))], skipped: [] };
  } catch (thrown) {
    return { found: [...found, failed("admin-password", thrown), ...(await withoutStore())], skipped: [inside] };
  } finally {
    await store?.close();
  }
}

/** Without the admin password. */
async function lookFromOutside(
  output: Output,
  options: StartOptions,
): Promise<{ readonly found: Finding[]; readonly sealed?: SealedStore | undefined }> {
  let location: StoreLocation;
  try {
    location = locationOf(output, options);
  } catch (thrown) {
    return { found: [failed("store", thrown)] };
  }
  const { directory, database } = location;
  if (database !== undefined) {
    const { findings, sealed } = await lookAtDatabase(database);
    return { found: findings, sealed };
  }
  const place = await lookAtDirectory(directory);
  if (!place.fit) return { found: place.findings };
  const { findings, sealed } = await lookAtFile(directory);
  return { found: [...place.findings, ...findings], sealed };
}

async function withoutStore(): Promise<Finding[]> {
  const clock = { now: Date.now(), lastEntry: undefined, synchronized: await isSynchronized() };
  return [judgeClock(clock), judgeVersions(undefined)];
}

async function lookAtPorts({ listen, http, ...forwarders }: StartOptions): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const [check, text] of [["listen", listen] as const, ["http", http] as const]) {
    if (text === "off") continue;
    try {
      const { balancers } = parseForwarders(forwarders);
      findings.push(await lookAtPort(check, parseListenAddress(text), balancers?.covers));
    } catch (thrown) {
      findings.push(failed(check, thrown));
    }
  }
  return findings;
}

/** @throws PosternError `doctor_failed` */
export function report(output: Output, findings: readonly Finding[], skipped: readonly string[]): void {
  const broken = findings.filter(({ verdict }) => verdict === "fail").length;
  const checks = findings.map(({ check, verdict, what, todo }) => ({ check, verdict, what, todo }));
  output.result({ ok: broken === 0, version, checks, skipped }, ...findings.flatMap(linesOf));
  for (const part of skipped) {
    output.note(say`Skipped: ${part}. They need --admin-password-file.`);
  }
  if (broken > 0) {
    throw new PosternError("doctor_failed", { detail: broken === 1 ? "1 check failed" : `${broken} checks failed` });
  }
}

const marks = { ok: green("[ok]"), warn: yellow("[warn]"), fail: bold(red("[fail]")) } as const;

function linesOf({ check, verdict, what, todo }: Finding): TerminalText[] {
  const line = say`${marks[verdict]} ${check}: ${what}`;
  return todo === undefined ? [line] : [line, say`       ${todo}`];
}
