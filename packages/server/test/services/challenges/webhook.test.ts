import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { secretText, signatureOf } from "../../../src/services/challenges/webhook.js";

describe("Standard Webhooks", () => {
  it("signs as the specification's own libraries do: their published vector", () => {
    const secret = Buffer.from("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "base64");
    const signed = { id: "msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp: 1614265330, body: '{"test": 2432232314}' };
    expect(signatureOf(secret, signed)).toBe("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    expect(secretText(secret)).toBe("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
  });

  it("signs id, time and body: none of them can be changed", () => {
    const secret = randomBytes(32);
    const signed = { id: "chl_1", timestamp: 1, body: "{}" };
    const signature = signatureOf(secret, signed);
    for (const other of [{ id: "chl_2" }, { timestamp: 2 }, { body: "{} " }]) {
      expect(signatureOf(secret, { ...signed, ...other })).not.toBe(signature);
    }
    expect(signatureOf(randomBytes(32), signed)).not.toBe(signature);
  });
});
