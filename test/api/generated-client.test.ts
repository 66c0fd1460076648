import { Agent } from "node:https";
import { totpDefaults } from "@postern/shared/otp/parameters";
import { decodeSecret } from "@postern/shared/otp/secret";
import { stepAt, totpCode } from "@postern/shared/otp/totp";
import { OpenAPIClientAxios } from "openapi-client-axios";
import { expect, it, onTestFinished } from "vitest";
import { apiKey } from "../support/api.js";
import { wrongCode } from "../support/api-credentials.js";
import { startInProcess } from "../support/in-process.js";

interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly data: {
    readonly id: string;
    readonly code: string;
    readonly secret: string;
    readonly version: number;
    readonly items: readonly { readonly id: string }[];
  };
}
type Operation = (params?: object | null, body?: object) => Promise<Reply>;

/** What `OpenAPIClientAxios` makes of the server's own document, without a line of ours: each call by its operationId. */
async function generated() {
  const server = await startInProcess(undefined, { http: true });
  const { text: key } = await apiKey(server.context, ["otp", "totp", "hotp", "session", "admin"]);
  const httpsAgent = new Agent({ rejectUnauthorized: false, keepAlive: true });
  onTestFinished(() => httpsAgent.destroy());
  const baseURL = `https://127.0.0.1:${server.running.http?.port}`;
  const axiosConfigDefaults = { baseURL, httpsAgent, headers: { authorization: `Bearer ${key}` } };
  const api = new OpenAPIClientAxios({ definition: `${baseURL}/openapi.json`, axiosConfigDefaults });
  const client = (await api.init()) as unknown as Readonly<Record<string, Operation>>;
  const call = (id: string): Operation => {
    const operation = client[id];
    if (operation === undefined) throw new Error(`the client has no ${id}`);
    return operation;
  };
  return { call, ids: api.getOperations().map(({ operationId }) => String(operationId)), now: server.clock.now };
}

const shown = { subject: "ann", issuer: "Shop", account: "ann@example.org" };

it("a client that is generated from /openapi.json creates, verifies, shows, lists, unlocks and deletes", async () => {
  const { call, ids, now } = await generated();
  expect(ids.length).toBeGreaterThan(20);
  for (const id of ids) expect(call(id)).toBeTypeOf("function");

  const { data: issued } = await call("issueOneTimeCode")(null, { subject: "ann" });
  const verify = (code: string) => call("verifyOneTimeCode")({ id: issued.id }, { code });
  expect((await verify(wrongCode(issued.code))).data).toEqual({ result: "invalid", attempts_left: 4 });
  expect((await verify(issued.code)).data).toEqual({ result: "valid" });
  expect((await verify(issued.code)).data).toEqual({ result: "replayed" });

  const { status, data: totp, headers } = await call("createTotp")(null, shown);
  expect([status, headers["etag"]]).toEqual([201, '"1"']);
  const code = totpCode(decodeSecret(totp.secret), stepAt(now(), totpDefaults.period), totpDefaults);
  expect((await call("verifyTotp")({ id: totp.id }, { code })).data).toEqual({ result: "valid" });
  expect((await call("unlockTotp")({ id: totp.id })).data).toMatchObject({ id: totp.id, failures: 0 });

  expect((await call("listTotp")({ limit: 5 })).data.items.map(({ id }) => id)).toEqual([totp.id]);
  const { data: current } = await call("showTotp")({ id: totp.id });
  await expect(call("deleteTotp")({ id: totp.id, "if-match": '"99"' })).rejects.toMatchObject({
    response: { status: 412, data: { code: "version_mismatch" } },
  });
  expect((await call("deleteTotp")({ id: totp.id, "if-match": `"${current.version}"` })).status).toBe(204);
  await expect(call("showTotp")({ id: totp.id })).rejects.toMatchObject({
    response: { status: 404, data: { code: "credential_unknown" } },
  });

  expect((await call("setLogLevel")(null, { level: "debug" })).data).toMatchObject({ level: "debug" });
});
