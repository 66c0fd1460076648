import { type ErrorCode, PosternError } from "@postern/shared/errors";
import { describe, expect, it } from "vitest";
import { type Enrolment, enrol } from "../../src/flows/enrol.js";

const secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
const facts = { secret, algorithm: "SHA1", digits: 6 } as const;
const query = `issuer=Postern&secret=${secret}`;
const totp: Enrolment = { ...facts, kind: "totp", period: 30, uri: `otpauth://totp/Postern:alice?${query}` };
const hotp: Enrolment = { ...facts, kind: "hotp", uri: `otpauth://hotp/Postern:alice?${query}&counter=0` };

/** Enrols with codes that are refused so many times; tells what was shown and how often a code was asked for. */
async function enrolled(enrolment: Enrolment, refusals = 0, refusal: ErrorCode = "code_refused") {
  let shown = 0;
  let asked = 0;
  const dialogue = {
    showEnrolment: () => {
      shown += 1;
    },
    firstCode: async () => String(asked++),
  };
  const confirm = async (code: string) => {
    if (Number(code) < refusals) throw new PosternError(refusal);
    return code;
  };
  const { signal } = new AbortController();
  const outcome = await enrol(enrolment, dialogue, { signal, confirm }).catch(({ code }: PosternError) => code);
  return { outcome, shown, asked };
}

describe("an enrolment", () => {
  it("is shown once, and asks for the first code until one is right", async () => {
    expect(await enrolled(totp, 3)).toEqual({ outcome: "3", shown: 1, asked: 4 });
    expect(await enrolled(hotp)).toEqual({ outcome: "0", shown: 1, asked: 1 });
  });

  it("goes on where the server could not reach its database; with any other failure it ends", async () => {
    expect(await enrolled(totp, 3, "unavailable")).toEqual({ outcome: "3", shown: 1, asked: 4 });
    expect(await enrolled(totp, 3, "internal")).toEqual({ outcome: "internal", shown: 1, asked: 1 });
  });

  it("ends with the tenth wrong code, as it does at the server", async () => {
    expect(await enrolled(totp, 20)).toEqual({ outcome: "code_refused", shown: 1, asked: 10 });
  });

  it.each([
    ["of the other kind", { ...totp, kind: "hotp" }],
    ["by time, where a counter was asked for", { ...hotp, uri: totp.uri }],
    ["that counts from elsewhere", { ...hotp, uri: hotp.uri.replace("counter=0", "counter=7") }],
    ["that counts and has a period", { ...hotp, period: 30 }],
    ["by time without a period", { ...totp, period: undefined }],
    ["of another secret", { ...hotp, secret: "MFRGGZDFMZTWQ2LKMFRGGZDFMZTWQ2LK" }],
    ["of other digits", { ...hotp, digits: 8 }],
    ["of another hash", { ...hotp, algorithm: "SHA512" }],
  ] as const)("%s contradicts itself, and nothing of it is shown", async (_what, enrolment) => {
    expect(await enrolled(enrolment as Enrolment)).toEqual({ outcome: "server_failed", shown: 0, asked: 0 });
  });
});
