import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { recordKey } from "../../packages/server/src/records/keys.js";
import { withStore } from "../support/crash-inspect.js";
import { expectValue, type Served, ServerProcess, served } from "../support/crash-process.js";
import { type Random, seededRandom } from "../support/crash-random.js";
import { Clock, temporaryDirectory } from "../support/in-process.js";
import { guessPassword, logIn, type Person, provePassword, registered } from "../support/person.js";
import { codeOf, WireClient } from "../support/wire-client.js";

/** How many single bytes are flipped; thousands for a long run. */
const FLIPS = Number(process.env["POSTERN_TEST_FLIPS"] ?? 200);

/** Processes that open damaged stores at once. */
const EXAMINERS = 2;

const PAGE = 4096;

/** What LMDB reads of each of the first two pages. */
const HEADER_BYTES = 168;

/** A storage key and about what stands behind it: the sealed account. */
const ACCOUNT_BYTES = 1100;

/** Bytes of the store's file that are overwritten. */
interface Damage {
  readonly at: number;
  readonly bytes: Buffer;
}

interface Victim {
  readonly clock: Clock;
  readonly alice: Person;
  readonly fingerprint: string;
  /** The store's file as it was left by a server that ended in order. */
  readonly file: Buffer;
  /** Where it has the account. */
  readonly places: readonly number[];
}

/** A store with one account, sessions of it, counters, and an audit chain of logins and failures. */
async function victim(): Promise<Victim> {
  const clock = new Clock();
  const directory = await temporaryDirectory();
  const { process, target } = await served(directory, clock);
  const alice = await registered({ ...target, clock });
  for (const code of alice.recoveryCodes.slice(0, 2)) await logInByRecovery(target, alice, code);
  const client = await WireClient.open(target);
  for (const name of ["alice", "nobody"]) expect(codeOf(await guessPassword(client, name))).toBe("login_failed");
  await logIn(client, alice, alice.code(clock, 0));
  expectValue(await process.close());
  const file = await readFile(join(directory, "store.mdb"));
  const nameIndex = await withStore(directory, async (barrier) => barrier.nameIndex("alice"));
  return { clock, alice, fingerprint: target.fingerprint, file, places: accountPlaces(file, nameIndex) };
}

async function logInByRecovery(target: Served, alice: Person, code: string): Promise<void> {
  const client = await WireClient.open(target);
  await provePassword(client, alice);
  await client.ok("login.code", { code });
  await client.close();
}

function flip(file: Buffer, random: Random): Damage {
  const at = random.below(file.length);
  return { at, bytes: Buffer.of((file[at] ?? 0) ^ (1 + random.below(255))) };
}

/** Of pages the first bytes, where LMDB keeps what it goes by. */
function flipInPageHeader(file: Buffer, random: Random): Damage {
  const at = random.below(file.length / PAGE) * PAGE + random.below(64);
  return { at, bytes: Buffer.of((file[at] ?? 0) ^ (1 + random.below(255))) };
}

/** In either of the headers, which say where everything is. */
function flipInHeader(file: Buffer, random: Random): Damage {
  const at = random.below(2) * PAGE + random.below(HEADER_BYTES);
  return { at, bytes: Buffer.of((file[at] ?? 0) ^ (1 + random.below(255))) };
}

/** In a record of the account, or a stale copy of it, or in the key before it. */
function flipInAccount(file: Buffer, random: Random, places: readonly number[]): Damage {
  const at = (places[random.below(places.length)] ?? 0) + random.below(ACCOUNT_BYTES);
  return { at, bytes: Buffer.of((file[at] ?? 0) ^ (1 + random.below(255))) };
}

/** Where the account's storage key stands in the file. */
function accountPlaces(file: Buffer, nameIndex: Buffer): number[] {
  const places: number[] = [];
  const key = Buffer.concat([Buffer.of(0x01), recordKey("account", nameIndex)]);
  for (let at = file.indexOf(key); at >= 0; at = file.indexOf(key, at + 1)) places.push(at);
  return places;
}

/** What came of opening a damaged store, or of logging in to it. */
interface Verdict {
  readonly damage: string;
  readonly opened: string;
  readonly login?: string;
  /** What must never be: empty when all is well. */
  readonly faults: readonly string[];
}

/** Opens damaged copies in a process, which is replaced when it dies. */
class Examiner {
  readonly #victim: Victim;
  readonly #scratch: string;
  #process = new ServerProcess();
  #count = 0;

  constructor(subject: Victim, scratch: string) {
    this.#victim = subject;
    this.#scratch = scratch;
  }

  async examine({ at, bytes }: Damage): Promise<Verdict> {
    const damage = `${bytes.length} bytes at ${at}, now ${bytes.subarray(0, 8).toString("hex")}`;
    const { file, clock } = this.#victim;
    const directory = join(this.#scratch, String(this.#count++));
    await mkdir(directory, { recursive: true });
    const copy = Buffer.from(file);
    bytes.copy(copy, at);
    await writeFile(join(directory, "store.mdb"), copy);
    const opened = await this.#process.open(directory, clock, { init: false });
    if (opened.died !== undefined) return this.#replace({ damage, opened: "died", faults: [reason(opened)] });
    const verdict =
      opened.error === undefined
        ? await this.#serve(damage, opened.value)
        : { damage, opened: opened.error, faults: refusals.includes(opened.error) ? [] : [opened.error] };
    await rm(directory, { recursive: true });
    return verdict;
  }

  async #serve(damage: string, target: Served): Promise<Verdict> {
    const { login, faults } = await stillTwoFactors(target, this.#victim);
    const closed = await this.#process.close();
    const verdict = { damage, opened: "ok", login };
    if (!("value" in closed)) return this.#replace({ ...verdict, faults: [...faults, reason(closed)] });
    const { stopped, audit, logged } = closed.value;
    const codes = [
      stopped.error,
      audit.error,
      ...logged.filter(({ level }) => level === "error").map(({ code }) => code),
    ];
    const unclear = codes.filter((code) => code !== undefined && !refusals.includes(code)).map(String);
    return { ...verdict, faults: [...faults, ...unclear] };
  }

  #replace(verdict: Verdict): Verdict {
    this.#process = new ServerProcess();
    return verdict;
  }
}

const reason = (outcome: object) => `the process died: ${JSON.stringify(outcome)}`;

/** Clear errors. A store that is there must never pass for one that is not: another would be made in its place. */
const refusals = ["store_damaged", "store_foreign", "store_future", "store_failed", "admin_password_wrong"];

/** Goes on only where that is right, and notes what was granted that should not have been. */
async function stillTwoFactors(
  target: Served,
  { clock, alice, fingerprint }: Victim,
): Promise<{ login: string; faults: string[] }> {
  const faults: string[] = [];
  const never = (outcome: string, what: string) => {
    if (outcome === "ok") faults.push(what);
  };
  if (target.fingerprint !== fingerprint) faults.push("another identity");
  const client = await WireClient.open(target);
  const guess = codeOf(await guessPassword(client, "alice"));
  never(guess, "a wrong password was taken");
  const login = guess === "login_failed" ? await tryLogin(client, alice, clock, never) : guess;
  client.reset();
  const second = await WireClient.open(target);
  if ((await tryPassword(second, alice)) === "ok") {
    if (login === "ok") never(await code(second, alice.code(clock, 1)), "a code was taken twice");
    never(await second.outcome("session.token", {}), "the password alone was enough");
  }
  second.reset();
  return { login, faults };
}

async function tryLogin(
  client: WireClient,
  alice: Person,
  clock: Clock,
  never: (outcome: string, what: string) => void,
): Promise<string> {
  const password = await tryPassword(client, alice);
  if (password !== "ok") return password;
  const wrong = [
    ["the code of the enrolment", await code(client, alice.code(clock, -1))],
    ["a wrong code", await code(client, alice.wrongCode(clock))],
    ["a used recovery code", await code(client, alice.recoveryCodes[0] ?? "")],
  ] as const;
  for (const [what, outcome] of wrong) never(outcome, `${what} was taken`);
  const failed = wrong.find(([, outcome]) => outcome !== "code_refused");
  return failed === undefined ? code(client, alice.code(clock, 1)) : failed[1];
}

const code = (client: WireClient, text: string) => client.outcome("login.code", { code: text });

/** `ok`, or the code of the error that proving the password came to. */
async function tryPassword(client: WireClient, alice: Person): Promise<string> {
  return provePassword(client, alice).then(
    () => "ok",
    (thrown: Error) => thrown.message.replace(/^.* failed: /, ""),
  );
}

describe("attack 38, promise 6: a store whose file is damaged", () => {
  it(`with any of ${FLIPS} bytes flipped, or any page lost, asks for both factors, or for nothing any more`, {
    timeout: 240_000 + FLIPS * 1000,
  }, async () => {
    const random = seededRandom("damage");
    const subject = await victim();
    const { file, places } = subject;
    const kinds = [flip, flipInHeader, flipInPageHeader, flipInAccount];
    const damages = [
      ...Array.from({ length: FLIPS }, (_, index) => kinds[index % kinds.length]?.(file, random, places) as Damage),
      ...Array.from({ length: file.length / PAGE }, (_, page) => ({ at: page * PAGE, bytes: Buffer.alloc(PAGE) })),
    ];
    const scratch = await scratchDirectory();
    const examiners = Array.from({ length: EXAMINERS }, (_, index) => new Examiner(subject, join(scratch, `${index}`)));
    const unharmed = await examiners[0]?.examine({ at: 0, bytes: Buffer.alloc(0) });
    expect(unharmed).toMatchObject({ login: "ok", faults: [] });
    const verdicts: Verdict[] = [];
    const examineAll = async (examiner: Examiner) => {
      for (let damage = damages.pop(); damage !== undefined; damage = damages.pop()) {
        verdicts.push(await examiner.examine(damage));
      }
    };
    await Promise.all(examiners.map(examineAll));
    expect(verdicts.filter(({ faults }) => faults.length > 0)).toEqual([]);
    const outcomes = new Set(verdicts.map(({ opened, login }) => login ?? opened));
    for (const outcome of ["ok", "store_damaged"]) expect(outcomes).toContain(outcome);
    console.info(tally(verdicts));
  });
});

function tally(verdicts: readonly Verdict[]): string {
  const counts = new Map<string, number>();
  for (const { opened, login } of verdicts) {
    const outcome = login === undefined ? `refused: ${opened}` : `login: ${login}`;
    counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  }
  return [...counts].map(([outcome, count]) => `${outcome} ${count}`).join(", ");
}

/** In memory where there is such a place: these stores need not outlive anything. */
async function scratchDirectory(): Promise<string> {
  const directory = await mkdtemp(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "postern-damage-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}
