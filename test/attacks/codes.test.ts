import { describe, expect, it } from "vitest";
import { HOUR, MINUTE, newStore, reopened, SECOND, startInProcess, type TestServer } from "../support/in-process.js";
import { logIn, type Person, provePassword, registered, tryCode } from "../support/person.js";
import { codeOf, WireClient } from "../support/wire-client.js";

const STEP = 30 * SECOND;

/** How a code on a connection that awaits one is answered. */
const giveCode = (client: WireClient, code: string) => client.call("login.code", { code });

describe("one-time codes are used once", () => {
  it("attack 19: a code that was accepted is refused on a second connection", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    const code = alice.code(server.clock);
    expect(await tryCode(server, alice, code)).toBe("ok");
    expect(await tryCode(server, alice, code)).toBe("code_refused");
    expect((await server.audit()).at(-1)).toMatchObject({ event: "login.code", reason: "replayed_code" });
  });

  it("attack 21: after step T+1 was accepted, T and T-1 are refused", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    expect(await tryCode(server, alice, alice.code(server.clock, 1))).toBe("ok");
    expect(await tryCode(server, alice, alice.code(server.clock))).toBe("code_refused");
    expect(await tryCode(server, alice, alice.code(server.clock, -1))).toBe("code_refused");
  });

  it("attack 22: the code that confirmed the enrolment is refused at the first login", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    expect(await tryCode(server, alice, alice.code(server.clock, -1))).toBe("code_refused");
    expect(await tryCode(server, alice, alice.code(server.clock))).toBe("ok");
  });

  it("attack 23: steps T-2 and T+2 are refused, T-1 and T+1 are not", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    server.clock.advance(10 * STEP);
    expect(await tryCode(server, alice, alice.code(server.clock, -2))).toBe("code_refused");
    expect(await tryCode(server, alice, alice.code(server.clock, 2))).toBe("code_refused");
    expect(await tryCode(server, alice, alice.code(server.clock, -1))).toBe("ok");
    expect(await tryCode(server, alice, alice.code(server.clock, 1))).toBe("ok");
  });

  it("attack 23: a clock that is set back does not open used steps again", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    server.clock.advance(2 * STEP);
    const code = alice.code(server.clock);
    expect(await tryCode(server, alice, code)).toBe("ok");
    server.clock.advance(-STEP);
    expect(await tryCode(server, alice, code)).toBe("code_refused");
    expect(await tryCode(server, alice, alice.code(server.clock))).toBe("code_refused");
  });

  it.each([
    ["empty", ""],
    ["too long for a message", "1".repeat(65)],
  ])("attack 28: a code that is %s ends the connection", async (_name, code) => {
    const server = await startInProcess();
    const alice = await registered(server);
    expect(await tryCode(server, alice, code)).toBe("bad_request");
  });

  it("attack 28: codes of any other form are wrong codes, and are counted as such", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    const right = alice.code(server.clock);
    const fullWidth = right.replace(/[0-9]/g, (digit) => String.fromCharCode(digit.charCodeAt(0) + 0xfee0));
    const forms = [
      "000000",
      "0",
      ` ${right}`,
      `${right} `,
      `${right}0`,
      `0${right}`,
      fullWidth,
      "null",
      "NaN",
      "1e5000",
    ];
    const client = await WireClient.open(server);
    await provePassword(client, alice);
    for (const form of [...forms, right.slice(0, 5), `+${right.slice(1)}`, "١٢٣٤٥٦", "\u0000".repeat(6)]) {
      expect(codeOf(await giveCode(client, form)), JSON.stringify(form)).toBe("code_refused");
      server.clock.advance(2 * HOUR);
    }
    const refused = (await server.audit()).filter(({ event }) => event === "login.code");
    expect(refused).toHaveLength(14);
    expect(refused.every(({ outcome, reason }) => outcome === "refused" && reason === "wrong_code")).toBe(true);
  });

  it("attack 28b: a code that is right for a future step is answered like any wrong one", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    const client = await WireClient.open(server);
    await provePassword(client, alice);
    const answers = new Set<string>();
    for (const code of [alice.wrongCode(server.clock), alice.code(server.clock, 2), alice.code(server.clock, 20)]) {
      answers.add(JSON.stringify((await giveCode(client, code))?.error));
    }
    expect([...answers]).toHaveLength(1);
    const reasons = (await server.audit()).filter(({ event }) => event === "login.code").map(({ reason }) => reason);
    expect(reasons).toEqual(["wrong_code", "wrong_code", "wrong_code"]);
  });
});

describe("guesses at codes are limited", () => {
  it("attack 25: new connections and a restart go on counting where the last one stood", async () => {
    const store = await newStore();
    const before = await startInProcess(store);
    const alice = await registered(before);
    const wrong = alice.wrongCode(before.clock);
    for (let tries = 0; tries < 3; tries++) expect(await tryCode(before, alice, wrong)).toBe("code_refused");
    await before.close();

    const after = await startInProcess(await reopened(store));
    expect(await tryCode(after, alice, wrong)).toBe("code_refused");
    expect(await tryCode(after, alice, wrong)).toBe("code_refused");
    const client = await WireClient.open(after);
    await provePassword(client, alice);
    expect(await giveCode(client, alice.code(after.clock))).toMatchObject({
      error: { data: { code: "throttled", retry_after: 30 } },
    });
  });

  it("attack 26: authenticator codes and recovery codes are paid from one budget", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    const wrong = alice.wrongCode(server.clock);
    const noRecoveryCode = "00000-00000-00000-00000-00000";
    expect(await tryCode(server, alice, wrong)).toBe("code_refused");
    expect(await tryCode(server, alice, noRecoveryCode)).toBe("code_refused");
    expect(await tryCode(server, alice, "no recovery code")).toBe("code_refused");
    expect(await tryCode(server, alice, wrong)).toBe("code_refused");
    expect(await tryCode(server, alice, noRecoveryCode)).toBe("code_refused");
    expect(await tryCode(server, alice, alice.code(server.clock))).toBe("throttled");
    expect(await tryCode(server, alice, alice.recoveryCodes[0] ?? "")).toBe("throttled");
  });

  it("a blocked budget answers right and wrong codes alike, and a right one that it did not take is still good", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    await guessWrong(server, alice, 5);
    server.clock.advance(-STEP / 2);
    const replies: string[] = [];
    for (const code of [alice.wrongCode(server.clock), alice.code(server.clock)]) {
      const client = await WireClient.open(server);
      await provePassword(client, alice);
      replies.push(JSON.stringify((await giveCode(client, code))?.error));
    }
    expect(replies[0]).toContain('"throttled"');
    expect(replies[1]).toBe(replies[0]);
    const code = alice.code(server.clock, 2);
    server.clock.advance(STEP + STEP / 2);
    expect(await tryCode(server, alice, code)).toBe("ok");
  });

  it("each further wrong code doubles the wait, up to an hour; a right one begins anew", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    const waits: (number | undefined)[] = [];
    await guessWrong(server, alice, 4);
    for (let tries = 0; tries < 9; tries++) {
      await guessWrong(server, alice, 1);
      const client = await WireClient.open(server);
      await provePassword(client, alice);
      const reply = await giveCode(client, alice.code(server.clock));
      waits.push(reply?.error?.data.retry_after);
      server.clock.advance((waits.at(-1) ?? 0) * SECOND);
    }
    expect(waits).toEqual([30, 60, 120, 240, 480, 960, 1920, 3600, 3600]);
    expect(await tryCode(server, alice, alice.code(server.clock))).toBe("ok");
    await guessWrong(server, alice, 4);
    expect(await tryCode(server, alice, alice.code(server.clock, 1))).toBe("ok");
  });

  it("attack 55: after 100 wrong codes in a row codes are locked, for good, until a recovery code opens them", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    await guessWrong(server, alice, 100);
    server.clock.advance(HOUR);
    expect(await tryCode(server, alice, alice.code(server.clock))).toBe("codes_locked");
    server.clock.advance(400 * 24 * HOUR);
    expect(await tryCode(server, alice, alice.code(server.clock))).toBe("codes_locked");
    expect(await tryCode(server, alice, "00000-00000-00000-00000-00000")).toBe("code_refused");
    expect(await tryCode(server, alice, alice.recoveryCodes[3] ?? "")).toBe("throttled");
    server.clock.advance(HOUR);
    expect(await tryCode(server, alice, alice.code(server.clock))).toBe("codes_locked");
    expect(await tryCode(server, alice, alice.recoveryCodes[3] ?? "")).toBe("ok");
    expect(await tryCode(server, alice, alice.code(server.clock))).toBe("ok");
  });

  it("attack 55: the lock is the account's alone, and does not touch the password or another person", async () => {
    const server = await startInProcess();
    const [alice, bob] = [await registered(server, "alice"), await registered(server, "bob")];
    await guessWrong(server, alice, 100);
    expect(await tryCode(server, bob, bob.code(server.clock, 0))).toBe("ok");
    await provePassword(await WireClient.open(server), alice);
  });

  it("attack 25: a right password does not wash the count of wrong codes", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    for (let tries = 0; tries < 5; tries++) {
      await provePassword(await WireClient.open(server), alice);
      expect(await tryCode(server, alice, alice.wrongCode(server.clock))).toBe("code_refused");
    }
    expect(await tryCode(server, alice, alice.code(server.clock))).toBe("throttled");
    server.clock.advance(MINUTE);
    await logIn(await WireClient.open(server), alice, alice.code(server.clock));
  });
});

/** So many wrong codes, each as soon as it is judged; the clock goes on with the waits. */
async function guessWrong(server: TestServer, person: Person, count: number): Promise<void> {
  const client = await WireClient.open(server);
  let proved = false;
  for (let charged = 0; charged < count; ) {
    if (!proved) await provePassword(client, person);
    const reply = await giveCode(client, person.wrongCode(server.clock));
    const wait = reply?.error?.data.retry_after;
    proved = wait === undefined;
    if (wait === undefined) charged += 1;
    else server.clock.advance(wait * SECOND);
    if (codeOf(reply) === "codes_locked") throw new Error(`locked after ${charged}`);
  }
  await client.close();
}
