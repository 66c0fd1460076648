import { PosternError } from "@postern/shared/errors";
import type { Fingerprint } from "@postern/shared/fingerprint";
import type { Result } from "@postern/shared/messages";
import { decodeSuccessor, SUCCESSORS_FEATURE } from "@postern/shared/successor";
import { bold, say } from "@postern/shared/terminal/terminal-text";
import { RpcClient } from "../connection/rpc-client.js";
import { channelExporter, connectTls } from "../connection/tls.js";
import type { Environment, ServerChoice } from "../environment.js";
import { decideTrust, identityChanged, type Trust, type TrustQuestion } from "../trust/decide-trust.js";
import { addPin, readPins } from "../trust/pins.js";
import { identityOf } from "../trust/server-certificate.js";
import { leadsTo } from "../trust/succession.js";
import { version } from "../version.js";
import { Succession } from "./succession.js";

/** A server whose identity is trusted, and which has been greeted. */
export interface OpenServer {
  readonly rpc: RpcClient;
  readonly greeting: Result<"hello">;
  readonly identity: Fingerprint;
  /** What binds a login to this very connection. */
  readonly exporter: Buffer;
  /** The identity has taken the place of the pinned one: a login may go on, and nothing else. */
  readonly succession?: Succession | undefined;
}

/** What a connection is for. Only in a login a server proves what no key alone can: nothing else moves a pin. */
export type Purpose = "login" | "other";

/**
 * Connects, judges the identity that the server shows, and only then says hello. The pins are read first: a file of
 * known servers that cannot be read ends it before a first packet. No name is sent here, whatever the server shows.
 * @throws PosternError for a server that cannot be reached or trusted; `server_identity_succeeded` for one whose
 * identity was replaced in order, where this is no login
 */
export async function openServer(
  environment: Environment,
  choice: ServerChoice,
  purpose: Purpose = "other",
): Promise<OpenServer> {
  const { paths, now } = environment;
  const pin = (await readPins(paths.knownServers)).get(choice.address.key)?.fingerprint;
  const socket = await connectTls(choice.address, choice.lookup);
  const rpc = new RpcClient(socket);
  try {
    const exporter = channelExporter(socket);
    const identity = identityOf(socket, now());
    const decision = decideTrust({ ...questionOf(environment, choice), pin, shown: identity });
    if (decision.kind === "succession") {
      const { greeting, succession } = await succeed(environment, choice, {
        rpc,
        pin: decision.pin,
        identity,
        purpose,
      });
      return { rpc, greeting, identity, exporter, succession };
    }
    await settle(environment, choice, decision);
    // A person may take longer over the fingerprint than the server waits. Now there is a pin, and nothing is asked.
    if (decision.kind === "ask" && rpc.ended.aborted) return await openServer(environment, choice, purpose);
    return { rpc, greeting: await greet(rpc), identity, exporter };
  } catch (thrown) {
    rpc.close();
    throw thrown;
  }
}

function questionOf(
  { interactive }: Environment,
  { fingerprint, fingerprintOfToken, trustOnFirstUse }: ServerChoice,
): Omit<TrustQuestion, "pin" | "shown"> {
  return { fingerprintOption: fingerprint, fingerprintOfToken, trustOnFirstUse, interactive };
}

function greet(rpc: RpcClient, features: string[] = []): Promise<Result<"hello">> {
  return rpc.call("hello", { client: "postern", version, features });
}

/**
 * Keeps the pin of a first contact, once a person has said yes where one is asked.
 * @throws PosternError `server_declined` when the person said no
 */
async function settle(
  { output, prompter, paths, now }: Environment,
  { address }: ServerChoice,
  decision: Exclude<Trust, { kind: "succession" }>,
): Promise<void> {
  if (decision.kind === "trusted") return;
  const { fingerprint } = decision;
  if (decision.kind === "ask") {
    output.note(
      say`This is the first contact with ${address.key}. It shows the identity`,
      say`  ${bold(fingerprint)}`,
      say`The same stands in the terminal where its operator started it.`,
    );
    const yes = await prompter.confirm("Is it the same, and do you trust it from now on?", false);
    if (!yes) throw new PosternError("server_declined");
  }
  await addPin(paths.knownServers, address, fingerprint, now());
}

/**
 * Has a server that shows another identity than the pinned one say how it came to that.
 * @throws PosternError `server_identity_changed` unless the pinned one vouches for it; `server_identity_succeeded`
 */
async function succeed(
  environment: Environment,
  { address }: ServerChoice,
  { rpc, pin, identity, purpose }: { rpc: RpcClient; pin: Fingerprint; identity: Fingerprint; purpose: Purpose },
): Promise<{ greeting: Result<"hello">; succession: Succession }> {
  const changed = identityChanged(pin, identity);
  const greeting = await greet(rpc, [SUCCESSORS_FEATURE]).catch((cause: unknown) => {
    throw new PosternError(changed.code, { detail: changed.detail ?? "", cause });
  });
  const statements = (greeting.successors ?? []).map(decodeSuccessor);
  if (!leadsTo(identity, { pin, statements })) throw changed;
  if (purpose !== "login")
    throw new PosternError("server_identity_succeeded", { detail: `${pin} before, ${identity} now` });
  return { greeting, succession: new Succession(environment, address, { from: pin, to: identity }) };
}
