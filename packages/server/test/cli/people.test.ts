import { displayWidth } from "@postern/shared/escape";
import { newId } from "@postern/shared/ids";
import { jsonLine } from "@postern/shared/terminal/output";
import { describe, expect, it } from "vitest";
import { peopleTable } from "../../src/cli/people/list.js";
import { parsePattern } from "../../src/cli/people/options.js";
import { sessionTable } from "../../src/cli/people/sessions.js";
import { personFacts, personLines } from "../../src/cli/people/show.js";
import { untouchedBudget as untouched } from "../../src/records/budget.js";
import type { Person } from "../../src/services/people.js";
import { NOW, some } from "../records/support.js";

const MINUTE = 60_000;

/** A name and a client that fill what they may, with characters that are none of a terminal's business. */
const longName = "名".repeat(20);
const hostile = `\u001b]52;c;aGk=\u0007\u202e${"x".repeat(80)}`;

const seen = { createdAt: NOW, lastSeenAt: NOW, address: "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", client: hostile };
const account = {
  id: newId("account"),
  identity: longName,
  verifier: some(256),
  stretch: 1,
  passwordVersion: 0,
  createdAt: NOW,
  lastLoginAt: NOW,
  recovery: [some(32)],
  codeBudget: { failures: 100, lastFailure: NOW, blockedUntil: NOW, noted: true },
  factors: [
    {
      kind: "totp",
      id: newId("factor"),
      label: hostile,
      secret: some(20),
      algorithm: "SHA1",
      digits: 6,
      createdAt: NOW,
      period: 30,
      lastStep: 1,
    },
  ],
} as const;
const device = { id: newId("device"), account: account.id, passwordVersion: 0, secret: some(32), ...seen };
const session = {
  id: newId("session"),
  account: account.id,
  identity: longName,
  secretHash: some(32),
  authenticatedAt: NOW,
  verifiedAt: NOW,
  expiresAt: NOW,
  amr: ["pwd"],
  ...seen,
};
const blocked = { failures: 5, lastFailure: NOW, blockedUntil: NOW + MINUTE / 2, noted: false };
const person: Person = {
  account: { ...account, recovery: [...account.recovery], factors: [...account.factors] },
  passwordBudget: blocked,
  devices: [
    { ...device, passwordBudget: untouched, codeBudget: blocked },
    { ...device, id: newId("device"), passwordBudget: untouched, codeBudget: account.codeBudget },
    { ...device, id: newId("device"), passwordBudget: untouched, codeBudget: untouched },
  ],
  sessions: [session],
};

const rendered = (lines: readonly { render(colour: boolean): string }[]) => lines.map((line) => line.render(false));

function fits(lines: readonly string[]): void {
  for (const line of lines) {
    expect(displayWidth(line)).toBeLessThanOrEqual(80);
    expect(line).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  }
}

describe("what an operator reads of people", () => {
  it("fits into 80 columns in a list, whatever their names", () => {
    const summary = { account: account.id, factors: 8, recoveryCodesLeft: 10, createdAt: NOW, lastLoginAt: NOW };
    const lines = rendered(
      peopleTable([
        { ...summary, name: longName, state: "disabled" },
        { ...summary, name: "alice", state: "active", lastLoginAt: undefined },
      ]),
    );
    fits(lines);
    expect(lines[0]).toMatch(/^name +state +factors +recovery +last login \(UTC\) +created$/);
    expect(lines[1]).toMatch(/^名+… +disabled +8 +10 +\d{4}-\d\d-\d\d \d\d:\d\d +\d{4}-\d\d-\d\d$/);
    expect(lines[2]).toMatch(/^alice +active +8 +10 +never +\d{4}-\d\d-\d\d$/);
  });

  it("fits into 80 columns of a single person, and says who has to wait, and who is locked", () => {
    const lines = rendered(personLines(person, NOW));
    fits(lines);
    const text = lines.join("\n");
    expect(text).toMatch(/^state +locked$/m);
    expect(text).toMatch(/^wrong passwords +5 in a row, refused for 30 seconds, by strangers$/m);
    expect(text).toMatch(/^wrong codes +100 in a row, refused for good, by strangers$/m);
    expect(text).toMatch(/^recovery codes +1 of 10 left$/m);
    expect(text).toMatch(/^dev_[0-9a-f]{8} .* 5, waiting$/m);
    expect(text).toMatch(/^dev_[0-9a-f]{8} .* 100, locked$/m);
    const disabled = { ...person, account: { ...person.account, disabledAt: NOW } };
    expect(rendered(personLines(disabled, NOW)).join("\n")).toMatch(/^state +disabled since \d{4}-/m);
  });

  it("fits into 80 columns of sessions", () => {
    const lines = rendered(sessionTable([session, { ...session, id: newId("session"), identity: "alice" }]));
    fits(lines);
    expect(lines[1]).toMatch(/^ses_[0-9a-f]{8} +名/);
  });

  it("has no secret in it, in any form", () => {
    const shown = `${jsonLine(personFacts(person, NOW))}${rendered(personLines(person, NOW)).join("\n")}`;
    const secrets = [
      account.verifier,
      account.factors[0].secret,
      account.recovery[0],
      device.secret,
      session.secretHash,
    ];
    for (const secret of secrets) {
      for (const encoding of ["hex", "base64", "latin1"] as const)
        expect(shown).not.toContain(secret.toString(encoding));
      expect(shown).not.toContain(JSON.stringify(secret.toJSON().data).slice(1, -1));
    }
  });
});

describe("a pattern of names", () => {
  it("is spelled as names are kept", () => {
    expect(parsePattern("Al*")).toBe("al*");
    expect(parsePattern("Zoe\u0308*")).toBe("zoë*");
  });

  it.each(["", " ", "a b", "x".repeat(129)])("is not %j", (text) => {
    expect(() => parsePattern(text)).toThrow(expect.objectContaining({ code: "usage" }));
  });
});
