import { X509Certificate } from "node:crypto";
import { PosternError } from "@postern/shared/errors";
import type { ApiKey } from "../../records/applications/api-key.js";
import { badEntryText } from "../../records/audit-chain.js";
import { apiKeyState } from "../../services/applications/api-keys.js";
import { listApiKeys } from "../../services/applications/key-care.js";
import { auditTail } from "../../services/audit-trail.js";
import { runningServers } from "../../services/presence.js";
import { storedIdentityOf } from "../../services/server-identity.js";
import {
  type DatabasePlace,
  examineDirectory,
  findStore,
  type OpenStore,
  type SealedStore,
  type StorePlace,
  storeUsage,
} from "../../store.js";
import { version } from "../../version.js";
import { shownSize, shownTime } from "../shown.js";
import { type Finding, fail, ok, warn } from "./finding.js";
import { isSynchronized, judgeClock } from "./machine.js";

const MIB = 2 ** 20;

/** What there is to say of the place of the store; and whether there is a store in it to look at. */
export async function lookAtDirectory(directory: string): Promise<{ findings: Finding[]; fit: boolean }> {
  try {
    const { free, warnings } = await examineDirectory(directory);
    const bytes = await storeUsage(directory).then(
      (usage) => usage.bytes,
      () => undefined,
    );
    const kept = warnings.map((warning) => warn("data", warning, "see the permissions in docs/operations.md"));
    return {
      findings: [
        ...(kept.length > 0 ? kept : [ok("data", `${directory} is its owner's alone, on a local disk`)]),
        judgeDisk(free, bytes ?? 0),
      ],
      fit: bytes !== undefined,
    };
  } catch (thrown) {
    if (isCode(thrown, "store_missing")) {
      const todo = "`posternd start` makes one; or check --data";
      return { findings: [warn("data", `there is no data directory ${directory} yet`, todo)], fit: false };
    }
    return { findings: [failed("data", thrown)], fit: false };
  }
}

/** Less than this, and the next hour may fill it; a backup takes as much again as the store. */
export function judgeDisk(free: number, storeBytes: number): Finding {
  const what = `${shownSize(free)} free, the store takes ${shownSize(storeBytes)}`;
  if (free < 16 * MIB) return fail("disk", what, "free some: nobody can log in when nothing can be written");
  return free < Math.max(256 * MIB, storeBytes)
    ? warn("disk", what, "free some: it has to hold a copy of the store")
    : ok("disk", what);
}

interface LookedAt {
  readonly findings: Finding[];
  readonly sealed: SealedStore | undefined;
}

/** Opens the file, without a key, and tries whether it can be written. The store is the caller's to close. */
export function lookAtFile(directory: string): Promise<LookedAt> {
  return lookAtPlace({ directory }, { warn: () => undefined, opens: "opens as a file" });
}

/** The same of a database, and what is to be said of that. Its disk is not seen from here. */
export async function lookAtDatabase(database: DatabasePlace): Promise<LookedAt> {
  const warnings: string[] = [];
  const { shown } = database.server;
  const found = await lookAtPlace(
    { database },
    { warn: (warning) => warnings.push(warning), opens: "its tables are there" },
  );
  if (found.findings.some(({ verdict }) => verdict === "fail")) return found;
  const kept = warnings.map((warning) => warn("database", warning, "see PostgreSQL in docs/operations.md"));
  const size = found.sealed === undefined ? "" : `, the store takes ${shownSize((await found.sealed.usage()).bytes)}`;
  const findings = kept.length > 0 ? kept : [ok("database", `${shown} answers${size}`)];
  return { ...found, findings: [...findings, ...found.findings] };
}

async function lookAtPlace(
  place: StorePlace,
  { warn: hear, opens }: { readonly warn: (warning: string) => void; readonly opens: string },
): Promise<LookedAt> {
  let sealed: SealedStore | undefined;
  try {
    sealed = await findStore({ ...place, warn: hear });
    if (sealed === undefined) {
      return { findings: [warn("store", "there is no store yet", "`posternd start` makes one")], sealed };
    }
    await sealed.probe();
    return { findings: [ok("store", `${opens}, and a transaction can be made durable`)], sealed };
  } catch (thrown) {
    await sealed?.close();
    return { findings: [failed("store", thrown)], sealed: undefined };
  }
}

/** What only the admin password shows. */
export async function lookInside({ barrier }: OpenStore, now: number): Promise<Finding[]> {
  const findings: Finding[] = [];
  let lastEntry: number | undefined;
  try {
    const tail = await auditTail(barrier);
    lastEntry = tail.lastTime;
    findings.push(judgeTail(tail));
  } catch (thrown) {
    findings.push(failed("audit", thrown));
  }
  findings.push(judgeClock({ now, lastEntry, synchronized: await isSynchronized() }));
  const { leaf } = await storedIdentityOf(barrier);
  findings.push(judgeLeaf(leaf.certificateDer, now));
  findings.push(...judgeApiKeys(await listApiKeys({ barrier }), now));
  findings.push(judgeVersions((await runningServers(barrier, now)).map((server) => server.version)));
  return findings;
}

function judgeTail(tail: Awaited<ReturnType<typeof auditTail>>): Finding {
  const { verdict, checked } = tail;
  if (verdict === undefined) return ok("audit", `the last ${checked} entries hold together`);
  return fail("audit", badEntryText(verdict), "keep the file as it is, and see `posternd audit verify`");
}

/** A running server renews its leaf when 30 days are left. */
export function judgeLeaf(certificateDer: Uint8Array, now: number): Finding {
  return judgeCertificate("certificate", certificateDer, now, {
    todo: "a running server renews it; start one, and see its log",
  });
}

const DAY_MS = 86_400_000;

export function judgeCertificate(
  check: string,
  certificate: Uint8Array,
  now: number,
  { todo }: { readonly todo: string },
): Finding {
  const { validFrom, validTo } = new X509Certificate(certificate);
  const [begins, ends] = [Date.parse(validFrom), Date.parse(validTo)];
  if (now < begins) return warn(check, `valid only from ${shownTime(begins)} on`, "check the clock");
  const what = `valid until ${shownTime(ends)}`;
  if (now >= ends) return warn(check, `ended ${shownTime(ends)}`, todo);
  return ends - now < 14 * DAY_MS ? warn(check, what, todo) : ok(check, what);
}

/** Keys that have a successor end because their operator wants it. Without any key there is nothing to say. */
export function judgeApiKeys(keys: readonly ApiKey[], now: number): Finding[] {
  const open = keys.filter((key) => apiKeyState(key, now) === "open");
  if (open.length === 0) return [];
  const ends = open.flatMap(({ id, expiresAt }) => (expiresAt === undefined ? [] : [{ id, expiresAt }]));
  const [first, ...others] = ends
    .filter(({ expiresAt }) => expiresAt - now < 14 * DAY_MS)
    .sort((a, b) => a.expiresAt - b.expiresAt);
  const count = open.length === 1 ? "1 is open" : `${open.length} are open`;
  if (first === undefined) return [ok("api-keys", `${count}, none ends within 14 days`)];
  const rest = others.length === 0 ? "" : `, and ${others.length} more within 14 days`;
  const what = `${first.id.slice(0, 11)} ends ${shownTime(first.expiresAt)}${rest}`;
  return [warn("api-keys", what, "`posternd apikey rotate` makes the next one; hand it to the application in time")];
}

/** `running`: the versions of the servers that run; undefined where nobody can say. */
export function judgeVersions(running: readonly string[] | undefined): Finding {
  if (running === undefined) return ok("version", `posternd ${version}`);
  const others = running.filter((one) => one !== version);
  if (others.length === 0)
    return ok("version", `posternd ${version}; servers that run on this store: ${running.length}`);
  return warn("version", `a server of ${others[0]} runs, and this is ${version}`, "start it anew");
}

/** What a refusal of the store says, as a finding. */
export function failed(check: string, thrown: unknown): Finding {
  if (!(thrown instanceof PosternError) || thrown.code === "bug") throw thrown;
  return fail(check, thrown.message, thrown.hint ?? `see ${thrown.code} in docs/operations.md`);
}

const isCode = (thrown: unknown, code: string) => thrown instanceof PosternError && thrown.code === code;
