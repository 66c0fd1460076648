import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { asPosternError, PosternError } from "@postern/shared/errors";
import { parseHost } from "@postern/shared/server-address";
import type { Output } from "@postern/shared/terminal/output";
import { HttpsClient } from "../../connection/https-client.js";
import { loadChallenge } from "../../flows/load/load-challenge.js";
import { lookUpTarget } from "../../flows/load/own-target.js";
import type { Timed } from "../../flows/load/run-load.js";
import { passwordFrom, pipedLines } from "../options.js";
import { type LoadHost, loadHostOf, withStops } from "./host.js";
import { type LoadOptions, planOf } from "./options.js";
import { judge, runAndTell } from "./run.js";

export interface ChallengeLoadOptions extends LoadOptions {
  readonly url: string;
  readonly keyFile?: string;
  readonly ca?: string;
}

/** Of connections to the HTTPS port. */
const places = { ofAddress: 64, ofAll: 2048 } as const;

export async function loadtestChallengeCommand(
  output: Output,
  options: ChallengeLoadOptions,
  host: LoadHost = loadHostOf(output, options),
): Promise<void> {
  const plan = planOf(options);
  const { hostname, port, key: target } = parseHttpsUrl(options.url);
  const { keyFile } = options;
  if (keyFile === undefined) throw new PosternError("usage", { detail: "--key-file says where the API key is" });
  const lookup = await lookUpTarget(hostname, host.resolve, options.iOwnThisServer === true);
  const ca = options.ca === undefined ? undefined : await readCertificates(options.ca);
  const key = parseApiKey(await passwordFrom(output, keyFile, pipedLines()));
  const client = new HttpsClient({ host: hostname, port, ca, lookup, atOnce: plan.concurrency });
  const load = { client, key, subject: `loadtest-${randomBytes(4).toString("hex")}` };
  try {
    await withStops(host.signals, async ({ load: signal }) => {
      signal.addEventListener("abort", () => client.close());
      await tryOut(() => loadChallenge(load, 0, untimed), signal);
      const request = (number: number, timed: Timed) => loadChallenge(load, number + 1, timed);
      const what = ["challenge", "challenges"] as const;
      judge(await runAndTell(output, { what, target, plan, request, signal, places }, host));
    });
  } finally {
    client.close();
  }
}

const untimed: Timed = (_part, work) => work();

/** The first one stands alone, and is not counted: where it fails, so will all others, and this says why. */
async function tryOut(act: () => Promise<void>, signal: AbortSignal): Promise<void> {
  try {
    await act();
  } catch (thrown) {
    throw signal.aborted ? new PosternError("cancelled") : asPosternError(thrown);
  }
}

/** @throws PosternError `usage` */
function parseHttpsUrl(text: string): { hostname: string; port: number; key: string } {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const bare = url !== undefined && url.pathname === "/" && url.search === "" && url.hash === "" && url.username === "";
  if (!bare || url.protocol !== "https:" || url.password !== "") {
    throw new PosternError("usage", { detail: "--url takes https://HOST:PORT, and nothing behind it" });
  }
  return { hostname: parseHost(url.hostname), port: url.port === "" ? 443 : Number(url.port), key: url.host };
}

/** The form of an API key: what has another one is not sent anywhere. @throws PosternError `api_key_invalid` */
function parseApiKey(text: string): string {
  if (!/^pk_[0-9a-f]{32}_[A-Za-z0-9_-]{43}$/.test(text)) throw new PosternError("api_key_invalid");
  return text;
}

async function readCertificates(file: string): Promise<string> {
  const pem = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new PosternError("file_unreadable", { detail: file, cause });
  });
  // Node takes what is no certificate for none at all, and then trusts nobody.
  if (!pem.includes("-----BEGIN CERTIFICATE-----")) {
    throw new PosternError("usage", { detail: "--ca takes a PEM file with certificates" });
  }
  return pem;
}
