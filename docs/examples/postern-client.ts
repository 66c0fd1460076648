/**
 * A client of Postern's HTTPS API in TypeScript, on Node.js alone:
 *
 *   node docs/examples/postern-client.ts https://127.0.0.1:7466 ca.pem shop.key
 *
 * `ca.pem` is what `posternd identity show --pem` prints, `shop.key` a key with the scopes otp, totp and hotp.
 * Node 22.18 and newer run it as it is; with an older one, have tsc make JavaScript of it.
 */
import { createHmac, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { Agent, request } from "node:https";

/** What Postern refuses: go by `code`. */
class PosternProblem extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, problem: { readonly code?: string; readonly title?: string }) {
    super(problem.title ?? `status ${status}`);
    this.status = status;
    this.code = problem.code ?? "";
  }
}

interface Created {
  readonly id: string;
  /** Of a one-time code. */
  readonly code?: string;
  /** Of an authenticator: base32. */
  readonly secret?: string;
}

interface Verdict {
  readonly result: "valid" | "invalid" | "replayed" | "throttled";
  readonly retry_after?: number;
  readonly locked?: true;
}

class PosternClient {
  readonly #url: URL;
  readonly #key: string;
  readonly #agent: Agent;

  /** `ca` in PEM: no other certificate is trusted. */
  constructor(url: string, { ca, key }: { readonly ca: string; readonly key: string }) {
    this.#url = new URL(url);
    this.#key = key;
    this.#agent = new Agent({ ca, keepAlive: true });
  }

  create(kind: "otp" | "totp" | "hotp", body: object): Promise<Created> {
    // With a key of its own, a request whose reply was lost can be sent again.
    return this.#call("POST", `/v1/${kind}`, body, { "idempotency-key": randomUUID() }) as Promise<Created>;
  }

  verify(kind: "otp" | "totp" | "hotp", id: string, code: string): Promise<Verdict> {
    return this.#call("POST", `/v1/${kind}/${id}/verify`, { code }) as Promise<Verdict>;
  }

  resync(id: string, codes: readonly [string, string]): Promise<Verdict> {
    return this.#call("POST", `/v1/hotp/${id}/resync`, { codes }) as Promise<Verdict>;
  }

  async remove(kind: "otp" | "totp" | "hotp", id: string): Promise<void> {
    await this.#call("DELETE", `/v1/${kind}/${id}`);
  }

  close(): void {
    this.#agent.destroy();
  }

  #call(method: string, path: string, body?: object, more: Record<string, string> = {}): Promise<unknown> {
    const headers = {
      authorization: `Bearer ${this.#key}`,
      ...(body !== undefined && { "content-type": "application/json" }),
      ...more,
    };
    return new Promise((resolve, reject) => {
      const sent = request(new URL(path, this.#url), { method, agent: this.#agent, headers }, (reply) => {
        const chunks: Buffer[] = [];
        reply.on("error", reject).on("data", (chunk: Buffer) => chunks.push(chunk));
        reply.on("end", () => {
          const status = reply.statusCode ?? 0;
          const text = Buffer.concat(chunks).toString("utf8");
          const said = text === "" ? {} : JSON.parse(text);
          if (status < 300) resolve(said);
          else reject(new PosternProblem(status, said));
        });
      });
      sent.on("error", reject).end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
}

/** RFC 4226: the code of a counter, of six digits and SHA-1 unless told otherwise. */
function hotp(secret: Buffer, counter: number, { algorithm = "sha1", digits = 6 } = {}): string {
  const message = Buffer.alloc(8);
  message.writeBigUInt64BE(BigInt(counter));
  const mac = createHmac(algorithm, secret).update(message).digest();
  const offset = (mac.at(-1) ?? 0) & 15;
  const number = mac.readUInt32BE(offset) & 0x7fff_ffff;
  return String(number % 10 ** digits).padStart(digits, "0");
}

/** RFC 6238: the counter is the number of periods since 1970. */
function totp(secret: Buffer, seconds: number, { period = 30 } = {}): string {
  return hotp(secret, Math.floor(seconds / period));
}

/** RFC 4648 section 6, without padding. */
function fromBase32(text: string): Buffer {
  const bits = Array.from(text, (digit) =>
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(digit).toString(2).padStart(5, "0"),
  ).join("");
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
}

async function tour(client: PosternClient): Promise<void> {
  const subject = `example-${randomUUID()}`;
  const shown = { subject, issuer: "Example Shop", account: "ann@example.org" };

  const issued = await client.create("otp", { subject, expires_in: 300 });
  console.log("one-time code:", (await client.verify("otp", issued.id, issued.code ?? "")).result);

  const byTime = await client.create("totp", shown);
  const code = totp(fromBase32(byTime.secret ?? ""), Date.now() / 1000);
  console.log("code by time:", (await client.verify("totp", byTime.id, code)).result);
  console.log("the same again:", (await client.verify("totp", byTime.id, code)).result);

  const byCounter = await client.create("hotp", shown);
  const secret = fromBase32(byCounter.secret ?? "");
  // Somebody has played with the button of their token: it is 20 codes ahead.
  console.log("code by counter:", (await client.verify("hotp", byCounter.id, hotp(secret, 20))).result);
  console.log("two in a row:", (await client.resync(byCounter.id, [hotp(secret, 21), hotp(secret, 22)])).result);
  console.log("the next one:", (await client.verify("hotp", byCounter.id, hotp(secret, 23))).result);

  const again = await client.create("totp", shown).catch((problem: unknown) => problem);
  console.log("a second one:", again instanceof PosternProblem ? again.code : again);

  await client.remove("otp", issued.id);
  await client.remove("totp", byTime.id);
  await client.remove("hotp", byCounter.id);
}

const [url = "https://127.0.0.1:7466", caFile = "ca.pem", keyFile = "shop.key"] = process.argv.slice(2);
const client = new PosternClient(url, {
  ca: readFileSync(caFile, "utf8"),
  key: readFileSync(keyFile, "utf8").trim(),
});
try {
  await tour(client);
} finally {
  client.close();
}
