import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { PosternError } from "@postern/shared/errors";
import { encodeError, parseRequest } from "@postern/shared/frames/rpc";
import { isMethod, methods } from "@postern/shared/messages";
import { parseOtpauthUri } from "@postern/shared/otp/uri";
import { describe, expect, it } from "vitest";
import * as byThePage from "./by-the-page.js";
import { fencedBlocks, page, section, wireLines } from "./page.js";

const generator = fileURLToPath(new URL("write-example.mjs", import.meta.url));

interface Inputs {
  readonly name_typed: string;
  readonly password_typed: string;
  readonly salt: string;
  readonly stretch: byThePage.Start["stretch"];
  readonly a: string;
  readonly b: string;
  readonly exporter: string;
  readonly totp_secret: string;
  readonly registration_time: number;
  readonly login_time: number;
  readonly device_secret: string;
  readonly next_a: string;
  readonly next_exporter: string;
}
type Values = ReturnType<typeof compute>;

const [json = "", registration = "", login = "", next = ""] = fencedBlocks(section("## Worked example"));
const { inputs, values }: { inputs: Inputs; values: Values } = JSON.parse(json);

describe("the worked example", () => {
  it("is what the programs compute", () => {
    const written = execFileSync(process.execPath, [generator, "--print"], { encoding: "utf8", timeout: 120_000 });
    expect(page === written, "it differs: run `node test/protocol/write-example.mjs` and read what changed").toBe(true);
  });

  it("is what an implementation of the page alone computes, every value of it", () => {
    expect(compute(inputs)).toEqual(values);
  });

  it("shows a password that NFC changes", () => {
    expect(inputs.password_typed).not.toBe(inputs.password_typed.normalize("NFC"));
    expect(json).toContain("\\u0308");
  });

  it.each(["v", "A", "B", "S"] as const)("catches a client that drops the leading zero of %s", (name) => {
    expect(values[name]).toMatch(/^00[0-9a-f]{510}$/);
  });

  it("has a login code of a later step than the code of the registration", () => {
    expect(Number(values.login_step)).toBeGreaterThan(Number(values.registration_step));
  });

  it("carries the computed values in its lines, byte for byte", () => {
    const { name_typed: name, salt, stretch } = inputs;
    const { identity, v, A, B, M1, M2, client_mac, server_mac, totp_secret_base32 } = values;
    expect(requests(registration).slice(1)).toEqual([
      line(2, "register.start", { name }),
      line(3, "register.verifier", { verifier: v }),
      line(4, "register.confirm", { code: values.registration_code }),
    ]);
    expect(replies(registration)[1]).toEqual({ identity, salt, stretch });
    expect(replies(registration)[2]).toMatchObject({ secret: totp_secret_base32, digits: 6, period: 30 });

    expect(requests(login).slice(1)).toEqual([
      line(2, "login.start", { name, A }),
      line(3, "login.proof", { M1, mac: client_mac }),
      line(4, "login.code", { code: values.login_code }),
    ]);
    expect(replies(login)[1]).toEqual({ identity, salt, stretch, B });
    expect(replies(login)[2]).toEqual({ M2, mac: server_mac, factors: ["totp", "recovery"], period: 30 });
    const { device, new_device } = replies(login)[3] as { device: string; new_device: object };
    expect(new_device).toEqual({ device, secret: inputs.device_secret });

    const shown = { device, mac: values.device_mac };
    expect(requests(next)).toEqual([line(2, "login.start", { name, A: values.next_A, device: shown })]);
  });

  it("shows the URI that the page describes, which names the same secret", () => {
    const { uri } = replies(registration)[2] as { uri: string };
    expect(uri).toBe(`otpauth://totp/Postern:${values.identity}?issuer=Postern&secret=${values.totp_secret_base32}`);
    expect(Buffer.from(parseOtpauthUri(uri).secret).toString("hex")).toBe(inputs.totp_secret);
  });
});

describe("every line that the page shows", () => {
  it.each(wireLines(page).map(({ from, line }) => [from, line] as const))(
    "is one the %s sends: %.80s",
    (from, line) => {
      const message = JSON.parse(line);
      expect(JSON.stringify(message)).toBe(line);
      const kinds = { client: ["method", "params"], server: ["error" in message ? "error" : "result"] };
      expect(Object.keys(message)).toEqual(["jsonrpc", "id", ...kinds[from]]);
    },
  );

  it("is, as a request, one that the server takes", () => {
    const requested = wireLines(page).filter(({ from }) => from === "client");
    for (const { line } of requested) {
      const { method, params } = parseRequest(Buffer.from(line));
      expect(isMethod(method) && methods[method].params.safeParse(params).success, line).toBe(true);
    }
    expect(requested.length).toBeGreaterThan(8);
  });

  it("is, as the example of a failure, what the server sends for it", () => {
    const shown = wireLines(page).filter(({ line }) => line.includes('"error"'));
    const throttled = encodeError(3, new PosternError("throttled", { retryAfter: 29.5 }));
    const slow = encodeError(4, new PosternError("code_refused", { clockBehind: 90 }));
    expect(shown.map(({ line }) => `${line}\n`)).toEqual([`${throttled}`, `${slow}`]);
  });
});

function compute({ name_typed, password_typed, salt, stretch, exporter, totp_secret, ...rest }: Inputs) {
  const start = { identity: name_typed.toLowerCase(), salt, stretch };
  const P = byThePage.stretched(password_typed, start);
  const x = byThePage.privateKey(start, P);
  const v = byThePage.power(x);
  const [a, b] = [byThePage.unhex(rest.a), byThePage.unhex(rest.b)];
  const A = byThePage.power(a);
  const B = byThePage.serverPublic(v, b);
  const u = byThePage.hash(A, B);
  const S = byThePage.clientSecret({ B, x, u, a });
  expect(byThePage.serverSecret({ A, v, u, b })).toEqual(S);
  const K = byThePage.hash(S);
  const M1 = byThePage.clientProof(start, { A, B, K });
  const bytes = {
    password_nfc_utf8: Buffer.from(password_typed.normalize("NFC"), "utf8"),
    argon2id_salt: byThePage.unhex(salt).subarray(0, 16),
    k: byThePage.k,
    inner_hash: byThePage.innerHash(start.identity, P),
    ...{ x, v, A, B, u, S, K, M1 },
    hash_N: byThePage.hashN,
    hash_g: byThePage.hashG,
    hash_N_xor_hash_g: byThePage.hashNxorG,
    hash_identity: byThePage.hash(Buffer.from(start.identity)),
    M2: byThePage.serverProof({ A, M1, K }),
    client_mac: byThePage.mac("client", K, byThePage.unhex(exporter)),
    server_mac: byThePage.mac("server", K, byThePage.unhex(exporter)),
    next_A: byThePage.power(byThePage.unhex(rest.next_a)),
    device_mac: byThePage.deviceMac(byThePage.unhex(rest.device_secret), byThePage.unhex(rest.next_exporter)),
  };
  const secret = byThePage.unhex(totp_secret);
  const authenticator = { secret, algorithm: "SHA1", digits: 6 } as const;
  const [registrationStep, loginStep] = [Math.floor(rest.registration_time / 30), Math.floor(rest.login_time / 30)];
  return {
    identity: start.identity,
    P,
    ...allInHex(bytes),
    totp_secret_base32: byThePage.base32(secret),
    registration_step: registrationStep,
    registration_code: byThePage.otp(authenticator, registrationStep),
    login_step: loginStep,
    login_code: byThePage.otp(authenticator, loginStep),
  };
}

function allInHex<Name extends string>(bytes: Record<Name, Buffer>): Record<Name, string> {
  const entries = Object.entries<Buffer>(bytes).map(([name, value]) => [name, value.toString("hex")]);
  return Object.fromEntries(entries);
}

const line = (id: number, method: string, params: object) => JSON.stringify({ jsonrpc: "2.0", id, method, params });

function requests(block: string): string[] {
  return wireLines(block).flatMap(({ from, line: sent }) => (from === "client" ? [sent] : []));
}

function replies(block: string): unknown[] {
  return wireLines(block).flatMap(({ from, line: sent }) => (from === "server" ? [JSON.parse(sent).result] : []));
}
