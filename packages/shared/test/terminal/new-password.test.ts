import { describe, expect, it } from "vitest";
import { askNewPassword } from "../../src/terminal/new-password.js";
import { createOutput } from "../../src/terminal/output.js";
import type { Prompter } from "../../src/terminal/prompts.js";
import { FakeScreen } from "./fake-terminal.js";

/** A person who types these answers to password prompts, and reads what is wrong with each. */
function typist(...answers: string[]) {
  const complaints: string[] = [];
  const asked: string[] = [];
  const never = () => Promise.reject(new Error("asked for something else"));
  const prompter: Prompter = {
    text: never,
    choose: never,
    confirm: never,
    password: async (message, { validate } = {}) => {
      for (;;) {
        asked.push(message);
        const answer = answers.shift() ?? "";
        const wrong = await validate?.(answer);
        if (wrong === undefined) return answer;
        complaints.push(wrong);
      }
    },
  };
  const stderr = new FakeScreen({ isTTY: false });
  const output = createOutput({ json: false, stdout: new FakeScreen(), stderr, env: {} });
  return {
    asked,
    complaints,
    stderr,
    ask: (old?: string) =>
      askNewPassword(prompter, output, { message: "New", context: ["alice"], ...(old !== undefined && { old }) }),
  };
}

const GOOD = "correct horse battery staple";

describe("a new password", () => {
  it("is asked for twice, and its strength told", async () => {
    const { asked, stderr, ask } = typist(GOOD, GOOD);
    expect(await ask()).toBe(GOOD);
    expect(asked).toEqual(["New", "Once more"]);
    expect(stderr.text).toBe("strength: strong\n");
  });

  it("is asked for until the policy is content", async () => {
    const { complaints, ask } = typist("short", "alice123", GOOD, GOOD);
    expect(await ask()).toBe(GOOD);
    expect(complaints[0]).toContain("the password is too short");
    expect(complaints[1]).toContain("the password is too easy to guess");
  });

  it("is not the old one, however its accents are composed", async () => {
    const old = `caf\u00e9 ${GOOD}`;
    const { complaints, ask } = typist(old, old.normalize("NFD"), GOOD, GOOD);
    expect(await ask(old)).toBe(GOOD);
    expect(complaints).toEqual(["the new password is the old one", "the new password is the old one"]);
  });

  it("is chosen anew when the two times differ", async () => {
    const { asked, stderr, ask } = typist(GOOD, `${GOOD}!`, GOOD, GOOD);
    expect(await ask()).toBe(GOOD);
    expect(asked).toEqual(["New", "Once more", "New", "Once more"]);
    expect(stderr.text).toContain("the two passwords differ; choose it anew\n");
  });
});
