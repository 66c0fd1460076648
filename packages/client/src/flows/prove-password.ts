import { channelMac, verifyChannelMac } from "@postern/shared/channel";
import { PosternError } from "@postern/shared/errors";
import { checkStretch, type StretchParameters, stretchPassword } from "@postern/shared/kdf";
import type { Params, Result } from "@postern/shared/messages";
import { clientEphemeral, clientSession, deriveVerifier, verifyServerProof } from "@postern/shared/srp/client";
import { parsePublicValue, parseSalt, type Salt } from "@postern/shared/srp/parse";
import { deviceProof, type KnownDevice } from "../session/device-file.js";
import type { OpenServer } from "./open-server.js";

/** Argon2id parameters, and the number by which the server knows them. */
export type Stretch = Result<"login.start">["stretch"];

/** The server's verifier of a password, and the number of the parameters that it was stretched with. */
export type StretchedVerifier = Params<"password.change">["new_verifier"];

/**
 * A password for one login, and what it stretches to: that takes 100 ms and 64 MiB, and is the same for every attempt
 * that the login takes.
 */
export class LoginPassword {
  readonly #password: string;
  readonly #stretched = new Map<string, Promise<string>>();

  constructor(password: string) {
    this.#password = password;
  }

  /** @throws PosternError `stretch_refused` for parameters that only a false server would send; `memory_short` */
  async stretch(salt: Salt, parameters: StretchParameters): Promise<string> {
    checkStretch(parameters);
    const key = `${salt.toString("hex")} ${parameters.memory_kib} ${parameters.passes}`;
    const stretched = this.#stretched.get(key) ?? stretchPassword({ password: this.#password, salt, parameters });
    this.#stretched.set(key, stretched);
    return stretched;
  }

  /** Throws as `stretch`. */
  async verifier({ identity, salt }: SaltedName, stretch: Stretch): Promise<StretchedVerifier> {
    const password = await this.stretch(salt, stretch);
    return { generation: stretch.generation, verifier: deriveVerifier({ identity, salt, password }) };
  }
}

/** What a verifier is made for, as the server said it. */
export interface SaltedName {
  readonly identity: string;
  readonly salt: Salt;
}

export interface PasswordAttempt {
  readonly name: string;
  readonly password: LoginPassword;
  /** What this machine is to that name at a server, if it is anything. */
  readonly deviceAt?: (server: OpenServer) => Promise<KnownDevice | undefined>;
}

/** A connection on which both sides have proved that they know the password: codes may be asked for, and sent. */
export interface PasswordProved extends SaltedName {
  readonly server: OpenServer;
  readonly stretch: Stretch;
  /** What the server wants the password stretched with from now on. */
  readonly restretch: Stretch | undefined;
  readonly factors: readonly string[];
  readonly period: number | undefined;
}

/**
 * Proves the password to the server, and has the server prove that it knows the verifier, both over this very TLS
 * connection. Only after this returns may a code be asked for.
 * @throws PosternError `login_failed`, `throttled`, `busy`; `server_not_proved`, `stretch_refused` for a false server
 */
export async function provePassword(
  server: OpenServer,
  { name, password, deviceAt }: PasswordAttempt,
): Promise<PasswordProved> {
  const { rpc, exporter } = server;
  const known = await deviceAt?.(server);
  const ephemeral = clientEphemeral();
  const { identity, salt, stretch, B } = await rpc.call("login.start", {
    name,
    A: ephemeral.publicHex,
    ...(known !== undefined && { device: deviceProof(known, exporter) }),
  });
  const salted = { identity, salt: parseSalt(salt) };
  const serverPublic = parsePublicValue(B, "server_not_proved");
  const credentials = { ...salted, password: await password.stretch(salted.salt, stretch) };
  const session = clientSession({ credentials, ephemeral, serverPublic });
  try {
    const mac = channelMac("client", session.key, exporter).toString("hex");
    const reply = await rpc.call("login.proof", { M1: session.proofHex, mac });
    verifyServerProof(session, reply.M2);
    const bound = verifyChannelMac("server", session.key, exporter, Buffer.from(reply.mac, "hex"));
    if (!bound) throw new PosternError("server_not_proved");
    await server.succession?.proved();
    const { factors, period, restretch } = reply;
    if (restretch !== undefined) checkStretch(restretch);
    return { ...salted, server, stretch, restretch, factors, period };
  } finally {
    session.key.fill(0);
  }
}
