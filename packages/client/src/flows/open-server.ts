import { PosternError } from "@postern/shared/errors";
import type { Fingerprint } from "@postern/shared/fingerprint";
import type { Result } from "@postern/shared/messages";
import { bold, say } from "@postern/shared/terminal/terminal-text";
import { RpcClient } from "../connection/rpc-client.js";
import { channelExporter, connectTls } from "../connection/tls.js";
import type { Environment, ServerChoice } from "../environment.js";
import { decideTrust } from "../trust/decide-trust.js";
import { addPin, readPins } from "../trust/pins.js";
import { identityOf } from "../trust/server-certificate.js";
import { version } from "../version.js";

/** A server whose identity is trusted, and which has been greeted. */
export interface OpenServer {
  readonly rpc: RpcClient;
  readonly greeting: Result<"hello">;
  readonly identity: Fingerprint;
  /** What binds a login to this very connection. */
  readonly exporter: Buffer;
}

/**
 * Connects, judges the identity that the server shows, and only then says hello. The pins are read first: a file of
 * known servers that cannot be read ends it before a first packet.
 * @throws PosternError for a server that cannot be reached or trusted
 */
export async function openServer(environment: Environment, choice: ServerChoice): Promise<OpenServer> {
  const { paths, now } = environment;
  const pin = (await readPins(paths.knownServers)).get(choice.address.key)?.fingerprint;
  const socket = await connectTls(choice.address);
  const rpc = new RpcClient(socket);
  try {
    const exporter = channelExporter(socket);
    const identity = identityOf(socket, now());
    const asked = await trust(environment, choice, pin, identity);
    // A person may take longer over the fingerprint than the server waits. Now there is a pin, and nothing is asked.
    if (asked && rpc.ended.aborted) return await openServer(environment, choice);
    const greeting = await rpc.call("hello", { client: "postern", version, features: [] });
    return { rpc, greeting, identity, exporter };
  } catch (thrown) {
    rpc.close();
    throw thrown;
  }
}

/**
 * Whether to go on; true when a person was asked.
 * @throws PosternError `server_declined` when the person said no, and as `decideTrust`
 */
async function trust(
  { output, prompter, interactive, paths, now }: Environment,
  { address, fingerprint, trustOnFirstUse }: ServerChoice,
  pin: Fingerprint | undefined,
  shown: Fingerprint,
): Promise<boolean> {
  const decision = decideTrust({ pin, shown, fingerprintOption: fingerprint, trustOnFirstUse, interactive });
  if (decision.kind === "trusted") return false;
  if (decision.kind === "ask") {
    output.note(
      say`This is the first contact with ${address.key}. It shows the identity`,
      say`  ${bold(shown)}`,
      say`The same stands in the terminal where its operator started it.`,
    );
    const yes = await prompter.confirm("Is it the same, and do you trust it from now on?", false);
    if (!yes) throw new PosternError("server_declined");
  }
  await addPin(paths.knownServers, address, shown, now());
  return decision.kind === "ask";
}
