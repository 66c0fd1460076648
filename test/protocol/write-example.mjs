/**
 * Writes the worked example of docs/protocol.md, computed by @postern/shared from the fixed inputs below:
 *
 *   node test/protocol/write-example.mjs            writes it into the page
 *   node test/protocol/write-example.mjs --print    prints the page as it would be, and writes nothing
 */
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { channelMac, deviceMac } from "@postern/shared/channel";
import { encodeRequest, encodeResult } from "@postern/shared/frames/rpc";
import { stretchPassword } from "@postern/shared/kdf";
import { methods } from "@postern/shared/messages";
import { parseName } from "@postern/shared/names/name";
import { totpDefaults } from "@postern/shared/otp/parameters";
import { encodeSecret } from "@postern/shared/otp/secret";
import { stepAt, totpCode } from "@postern/shared/otp/totp";
import { otpauthUri } from "@postern/shared/otp/uri";
import {
  clientEphemeral,
  clientPremaster,
  clientSession,
  derivePrivateKey,
  deriveVerifier,
} from "@postern/shared/srp/client";
import { serverEphemeral, serverPremaster, serverSession } from "@postern/shared/srp/server";
import { postern } from "@postern/shared/srp/suite";
import { multiplier, scrambler } from "@postern/shared/srp/transcript";

const page = new URL("../../docs/protocol.md", import.meta.url);

const hexRun = (from, size) => Buffer.from(Array.from({ length: size }, (_, index) => from + index)).toString("hex");

/** The last bytes of salt, a and b were counted up until v, A, B and S each began with a zero byte. */
const inputs = {
  name_typed: "Alice",
  password_typed: "Fünf Äpfel für Zoë".normalize("NFD"),
  salt: `${hexRun(0x00, 28)}0000006c`,
  stretch: { generation: 1, memory_kib: 65536, passes: 3 },
  a: `${hexRun(0xa0, 28)}00000106`,
  b: `${hexRun(0xc0, 28)}0000e995`,
  exporter: hexRun(0x20, 32),
  totp_secret: hexRun(0x40, 20),
  registration_time: 1790000000,
  login_time: 1790000060,
  device_secret: hexRun(0xe0, 32),
  next_a: `${hexRun(0xb0, 28)}00000000`,
  next_exporter: hexRun(0x10, 32),
};

/** What the server draws, or counts from what it keeps: no client computes it. */
const drawn = {
  version: "0.1.0",
  account: `acc_${hexRun(0x60, 16)}`,
  session: `ses_${hexRun(0x70, 16)}`,
  secret: `pss_${hexRun(0x60, 32)}_${hexRun(0x80, 32)}`,
  device: `dev_${hexRun(0x50, 16)}`,
  recovery_codes: Array.from("0123456789", (digit) => `${digit}abcd-efghj-kmnpq-rstvw-xyz${digit}0`),
};

const text = withExample(readFileSync(page, "utf8"), await example());
if (process.argv.includes("--print")) process.stdout.write(text);
else writeFileSync(page, text);

async function example() {
  const values = await computeValues();
  const { registration, login, next } = computeLines(values);
  return [
    ...["```json", ascii(JSON.stringify({ inputs, values }, null, 2)), "```", ""],
    ...["The lines of the registration:", "", "```", ...registration, "```", ""],
    ...["The lines of the login, on another connection:", "", "```", ...login, "```", ""],
    "Behind `hello`, the same device begins its next login so, and gets no `new_device` at its end:",
    ...["", "```", next, "```"],
  ].join("\n");
}

async function computeValues() {
  const identity = parseName(inputs.name_typed);
  const salt = Buffer.from(inputs.salt, "hex");
  const exporter = Buffer.from(inputs.exporter, "hex");
  const password = await stretchPassword({ password: inputs.password_typed, salt, parameters: inputs.stretch });
  const credentials = { identity, salt, password };
  const x = derivePrivateKey(credentials);
  const verifier = Buffer.from(deriveVerifier(credentials), "hex");
  const { A, B, u, premaster, key, M1, M2 } = exchange({ credentials, x, verifier });
  const groupHash = sha256(postern.group.primeBytes);
  const generatorHash = sha256(postern.group.generatorBytes);
  return {
    identity,
    password_nfc_utf8: Buffer.from(inputs.password_typed.normalize("NFC"), "utf8").toString("hex"),
    argon2id_salt: salt.subarray(0, 16).toString("hex"),
    P: password,
    k: multiplier(postern).toString("hex"),
    inner_hash: sha256(Buffer.from(`${identity}:${password}`)).toString("hex"),
    x: x.toString("hex"),
    v: verifier.toString("hex"),
    A,
    B,
    u: u.toString("hex"),
    S: premaster.toString("hex"),
    K: key.toString("hex"),
    hash_N: groupHash.toString("hex"),
    hash_g: generatorHash.toString("hex"),
    hash_N_xor_hash_g: Buffer.from(groupHash.map((byte, index) => byte ^ generatorHash[index])).toString("hex"),
    hash_identity: sha256(Buffer.from(identity)).toString("hex"),
    M1,
    M2,
    client_mac: channelMac("client", key, exporter).toString("hex"),
    server_mac: channelMac("server", key, exporter).toString("hex"),
    ...computeCodes(),
    ...computeNext(),
  };
}

/** Both halves of SRP, which must agree. */
function exchange({ credentials, x, verifier }) {
  const { identity, salt } = credentials;
  const draw = (hex) => () => Buffer.from(hex, "hex");
  const client = clientEphemeral(draw(inputs.a));
  const clientPublic = Buffer.from(client.publicHex, "hex");
  const server = serverEphemeral({ clientPublic, verifier }, draw(inputs.b));
  const serverPublic = Buffer.from(server.publicHex, "hex");
  const u = scrambler(postern, { identity, salt, clientPublic, serverPublic });
  const premaster = clientPremaster(postern, { serverPublic, u, x, a: client.secret });
  const same = serverPremaster(postern, { clientPublic, verifier, u, b: server.secret });
  if (!premaster.equals(same)) throw new Error("the two halves differ");

  const { key, proofHex, expected } = clientSession({ credentials, ephemeral: client, serverPublic });
  const verdict = serverSession({ identity, salt, ephemeral: server }).verifyClientProof(Buffer.from(proofHex, "hex"));
  if (!verdict.proved || verdict.proofHex !== expected.toString("hex")) throw new Error("the proofs differ");
  return { A: client.publicHex, B: server.publicHex, u, premaster, key, M1: proofHex, M2: verdict.proofHex };
}

function computeCodes() {
  const secret = Buffer.from(inputs.totp_secret, "hex");
  const registrationStep = stepAt(inputs.registration_time * 1000, totpDefaults.period);
  const loginStep = stepAt(inputs.login_time * 1000, totpDefaults.period);
  return {
    totp_secret_base32: encodeSecret(secret),
    registration_step: registrationStep,
    registration_code: totpCode(secret, registrationStep, totpDefaults),
    login_step: loginStep,
    login_code: totpCode(secret, loginStep, totpDefaults),
  };
}

/** What the next login begins with: the device shows that it is the one of the first. */
function computeNext() {
  const { publicHex } = clientEphemeral(() => Buffer.from(inputs.next_a, "hex"));
  const [secret, exporter] = [inputs.device_secret, inputs.next_exporter].map((hex) => Buffer.from(hex, "hex"));
  return { next_A: publicHex, device_mac: deviceMac(secret, exporter).toString("hex") };
}

/** Each line without its `\n`, behind an arrow that says who sends it. */
function computeLines({ identity, v, A, B, M1, M2, client_mac, server_mac, ...codes }) {
  const { name_typed: name, salt, stretch, login_time } = inputs;
  const secret = Buffer.from(inputs.totp_secret, "hex");
  const uri = otpauthUri({ type: "totp", issuer: "Postern", account: identity, secret, ...totpDefaults });
  const { version, account, session, device, secret: sessionSecret, recovery_codes } = drawn;
  const times = { authenticated_at: login_time, expires_at: login_time + 12 * 3600, fresh_until: login_time + 300 };
  const facts = { account, name: identity, session, ...times, idle_timeout: 1800, device };
  const newDevice = { device, secret: inputs.device_secret };
  const shownDevice = { device, mac: codes.device_mac };
  const hello = [
    "hello",
    { client: "example", version: "1.0", features: [] },
    { server: "posternd", version, features: [], registration: "open" },
  ];
  return {
    registration: calls([
      hello,
      ["register.start", { name }, { identity, salt, stretch }],
      [
        "register.verifier",
        { verifier: v },
        { secret: codes.totp_secret_base32, uri, ...totpDefaults, expires_in: 598 },
      ],
      ["register.confirm", { code: codes.registration_code }, { account, name: identity, recovery_codes }],
    ]),
    login: calls([
      hello,
      ["login.start", { name, A }, { identity, salt, stretch, B }],
      ["login.proof", { M1, mac: client_mac }, { M2, mac: server_mac, factors: ["totp", "recovery"], period: 30 }],
      [
        "login.code",
        { code: codes.login_code },
        { ...facts, secret: sessionSecret, recovery_codes_left: 10, new_device: newDevice },
      ],
    ]),
    next: request(2, "login.start", { name, A: codes.next_A, device: shownDevice }),
  };
}

/** Parsed by the schemas of the messages, so that no line has a field too many or too few. */
function calls(list) {
  return list.flatMap(([method, params, result], index) => {
    const reply = encodeResult(index + 1, methods[method].result.strict().parse(result));
    return [request(index + 1, method, params), `← ${reply}`.trimEnd()];
  });
}

function request(id, method, params) {
  return `→ ${encodeRequest(id, method, methods[method].params.parse(params))}`.trimEnd();
}

function sha256(bytes) {
  return createHash("sha256").update(bytes).digest();
}

/** Escapes all but ASCII, so that the two ways to write a letter look different. */
function ascii(json) {
  return json.replaceAll(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function withExample(text, example) {
  const [before, rest] = text.split("<!-- example -->\n");
  const after = rest?.split("<!-- end of the example -->")[1];
  if (after === undefined) throw new Error("the page has lost the marks of its example");
  return `${before}<!-- example -->\n\n${example}\n\n<!-- end of the example -->${after}`;
}
