import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { assessPassword } from "../src/password-policy.js";

const nobody = { context: [] };

describe("the password policy", () => {
  it("wants 8 code points, after NFC: neither bytes nor UTF-16 units count", async () => {
    expect(await assessPassword("xK9#mQ2", nobody)).toMatchObject({ ok: false, code: "password_too_short" });
    expect(await assessPassword("🔑🦉🌵🥨", nobody)).toMatchObject({ ok: false, code: "password_too_short" });
    const decomposed = "e\u0301".repeat(7);
    expect(await assessPassword(decomposed, nobody)).toMatchObject({ ok: false, code: "password_too_short" });
    expect(await assessPassword("🔑🦉🌵🥨🎷🧶🪁🧊", nobody)).toMatchObject({ ok: true });
  });

  it("takes 1024 bytes and no more", async () => {
    const words = "zebra lamp quiet orbit ".repeat(50);
    expect(await assessPassword(words.slice(0, 1024), nobody)).toMatchObject({ ok: true });
    expect(await assessPassword(words.slice(0, 1025), nobody)).toMatchObject({ ok: false, code: "password_too_long" });
    expect(await assessPassword("密".repeat(342), nobody)).toMatchObject({ ok: false, code: "password_too_long" });
  });

  it.each(["password1", "qwertyuiop", "aaaaaaaaaaaa", "12345678", "letmein123", "p@$$w0rd"])(
    "refuses %s with advice",
    async (password) => {
      const verdict = await assessPassword(password, nobody);
      expect(verdict).toMatchObject({ ok: false, code: "password_too_weak" });
      expect(verdict.advice).not.toEqual([]);
    },
  );

  it("says how strong a password is that passes", async () => {
    expect(await assessPassword("xK9#mQ2$", nobody)).toMatchObject({ ok: true, score: 2, strength: "fair" });
    expect(await assessPassword("zebra lamp", nobody)).toMatchObject({ ok: true, score: 3, strength: "good" });
    expect(await assessPassword("correct horse battery staple", nobody)).toMatchObject({
      score: 4,
      strength: "strong",
    });
    expect(await assessPassword("дом корова лес река", nobody)).toMatchObject({ score: 4 });
  });

  it.each([
    ["wonderbolt-alice", ["alice"], true],
    ["Alice-postern", ["alice"], false],
    ["alicealicealice", ["alice"], false],
    ["ALICE2026!", ["alice"], false],
    ["postern!2026", [], false],
    ["example.org-alice1", ["alice@example.org"], false],
    ["zoë-zoë-2026", ["zoe\u0308"], false],
    ["(a+)+$(a+)+$", ["(a+)+$"], false],
  ])("counts the words of its context for nothing: %s for %j", async (password, context, ok) => {
    expect(await assessPassword(password, { context })).toMatchObject({ ok });
  });

  it("looks at the first 100 code points only, so that a long password takes no long time", async () => {
    const start = "a1!".repeat(34).slice(0, 100);
    const longer = await assessPassword(`${start}${"zebra lamp quiet orbit ".repeat(40).slice(0, 900)}`, nobody);
    expect(longer).toEqual(await assessPassword(start, nobody));
  });

  it("gives advice that does not repeat the password", async () => {
    const password = fc.string({ unit: "grapheme-ascii", minLength: 8, maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(password, fc.string({ maxLength: 64 }), async (typed, name) => {
        const verdict = await assessPassword(typed, { context: [name] });
        expect(verdict.advice.join("\n")).not.toContain(typed);
      }),
      { numRuns: 50 },
    );
  });
});
