import { randomBytes } from "node:crypto";
import { totpDefaults } from "@postern/shared/otp/parameters";
import { NO_STEP, stepAt, totpCode } from "@postern/shared/otp/totp";
import { describe, expect, it } from "vitest";
import { newTotpFactor as newFactor } from "../../src/services/enrolment.js";
import { judgeFactor } from "../../src/services/factors.js";

const NOW = 1_800_000_000_000;
const newTotpFactor = (used = tools) => newFactor(used, { label: "authenticator" });
const tools = { now: () => NOW, random: randomBytes };

describe("a fresh authenticator", () => {
  it("has what every app assumes, and no step used", () => {
    expect(newTotpFactor()).toMatchObject({
      kind: "totp",
      algorithm: "SHA1",
      digits: 6,
      period: 30,
      lastStep: NO_STEP,
      createdAt: NOW,
    });
  });

  it("has a secret of 160 bits from the randomness that it was given, and an id of its own", () => {
    const sizes: number[] = [];
    const random = (size: number) => {
      sizes.push(size);
      return Buffer.alloc(size, 7);
    };
    expect(newTotpFactor({ ...tools, random }).secret).toEqual(Buffer.alloc(20, 7));
    expect(sizes).toContain(20);
    const [one, other] = [newTotpFactor(), newTotpFactor()];
    expect(one.id).not.toBe(other.id);
    expect(one.secret).not.toEqual(other.secret);
  });

  it("takes a code of its step once, and then neither it nor the one before", () => {
    const factor = newTotpFactor();
    const step = stepAt(NOW, totpDefaults.period);
    const code = totpCode(factor.secret, step, totpDefaults);
    const used = { ...factor, lastStep: step, lastUsedAt: NOW };
    expect(judgeFactor(factor, { code }, NOW)).toEqual({ kind: "match", used });
    expect(judgeFactor(used, { code }, NOW).kind).toBe("replayed");
    expect(judgeFactor(used, { code: totpCode(factor.secret, step - 1, totpDefaults) }, NOW).kind).not.toBe("match");
  });
});
