import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import fc from "fast-check";
import { beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { Admission, type AdmissionLimits, type Place, type Rank } from "../../src/wire/admission.js";

const deadlines = { handshake: 5, step: 60, registration: 600, idle: 1800 };

/** As much of a socket as a place needs. */
class FakeSocket extends EventEmitter {
  destroyed = false;

  destroy(): void {
    this.destroyed = true;
    this.emit("close");
  }
}

interface Seat {
  readonly socket: FakeSocket;
  readonly place: Place;
}

function seat(admission: Admission, rank?: Rank, address?: string): Seat {
  const socket = new FakeSocket();
  const place = admission.admit(socket as unknown as Socket, address);
  if (rank !== undefined) place.step(rank === "session" ? "idle" : "step", rank);
  return { socket, place };
}

const gone = (seats: readonly Seat[]) => seats.flatMap(({ socket }, index) => (socket.destroyed ? [index] : []));

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => {
    vi.useRealTimers();
  });
});

describe("attack 52: places that several processes count together", () => {
  const limits = { unauthenticated: 64, perAddress: 8, perPerson: 2, authenticated: 64, deadlines };

  function counted() {
    const held = new Map<string, number>();
    const change = (group: string, by: number) => held.set(group, (held.get(group) ?? 0) + by);
    const places = {
      taken: (_port: "wire" | "http", group: string) => void change(group, 1),
      left: (_port: "wire" | "http", group: string) => void change(group, -1),
      onExcess: () => undefined,
    };
    return { held, admission: new Admission(limits, places) };
  }

  it("are told of as they are taken and left, by address and then by person; an exempt address has none", () => {
    const { held, admission } = counted();
    const seats = [seat(admission, "stranger", "a"), seat(admission, "proved", "a"), seat(admission, "stranger")];
    expect([...held]).toEqual([["a a", 2]]);
    seats[1]?.place.step("idle", "session", "acc_1");
    expect([...held]).toEqual([
      ["a a", 1],
      ["p acc_1", 1],
    ]);
    for (const { socket } of seats) socket.destroy();
    expect([...held]).toEqual([
      ["a a", 0],
      ["p acc_1", 0],
    ]);
  });

  it("are given up as when one process counts: the stranger longest in its step, and nobody who is busy", () => {
    const { admission } = counted();
    const seats = [seat(admission, "proved", "a"), seat(admission, "stranger", "a"), seat(admission, "stranger", "a")];
    admission.evictOneOf("a a");
    expect(gone(seats)).toEqual([1]);
    for (const { place } of seats) place.busy = true;
    admission.evictOneOf("a a");
    admission.evictOneOf("a b");
    expect(gone(seats)).toEqual([1]);
    const ours = seat(admission, "stranger", "c");
    ours.place.step("idle", "session", "acc_1");
    admission.evictOneOf("p acc_1");
    expect(ours.socket.destroyed).toBe(true);
  });
});

describe("attack 52: when all places are taken", () => {
  const limits = { unauthenticated: 3, perAddress: 8, perPerson: 32, authenticated: 2, deadlines };

  it("the stranger longest in its step gives way, before anyone who proved a password", () => {
    const admission = new Admission(limits);
    const seats = [seat(admission, "proved"), seat(admission, "stranger"), seat(admission, "stranger")];
    seats[1]?.place.step("step", "stranger");
    seats.push(seat(admission));
    expect(gone(seats)).toEqual([2]);
    expect(admission.unauthenticated).toBe(3);
  });

  it("and none is a stranger's, the one longest proved gives way", () => {
    const admission = new Admission(limits);
    const seats = Array.from({ length: 3 }, () => seat(admission, "proved"));
    seats.push(seat(admission));
    expect(gone(seats)).toEqual([0]);
  });

  it("no place is taken from one whose request is being worked on", () => {
    const admission = new Admission(limits);
    const seats = Array.from({ length: 3 }, () => seat(admission, "stranger"));
    for (const { place } of seats.slice(0, 2)) place.busy = true;
    seats.push(seat(admission));
    expect(gone(seats)).toEqual([2]);
  });

  it("sessions give way among themselves, the longest idle first", () => {
    const admission = new Admission(limits);
    const seats = [seat(admission, "session"), seat(admission, "session"), seat(admission, "stranger")];
    seats[0]?.place.step("idle", "session");
    seats.push(seat(admission, "session"));
    expect(gone(seats)).toEqual([1]);
    expect(admission.open).toBe(3);
  });

  it("a session that logs out needs a place like anyone new", () => {
    const admission = new Admission(limits);
    const seats = [...Array.from({ length: 3 }, () => seat(admission, "stranger"))];
    const session = seat(admission);
    session.place.step("idle", "session");
    seats.push(seat(admission));
    session.place.step("step", "stranger");
    expect(gone(seats)).toEqual([0, 1]);
    expect(admission).toMatchObject({ unauthenticated: 3, open: 3 });
  });
});

describe("attack 52: when one address has all of its places", () => {
  const limits = { unauthenticated: 8, perAddress: 3, perPerson: 32, authenticated: 8, deadlines };
  const greedy = "192.0.2.1";

  function crowded(ranks: readonly Rank[] = ["stranger", "stranger", "stranger"]) {
    const admission = new Admission(limits);
    const others = Array.from({ length: 4 }, (_, index) => seat(admission, "stranger", `198.51.100.${index}`));
    const own = ranks.map((rank) => seat(admission, rank, greedy));
    return { admission, others, own };
  }

  it("its own stranger longest in its step gives way, and nobody else's, though that has stood longer", () => {
    const { admission, others, own } = crowded();
    own[0]?.place.step("step", "stranger");
    own.push(seat(admission, undefined, greedy));
    expect([gone(own), gone(others)]).toEqual([[1], []]);
    for (let more = 0; more < 100; more++) own.push(seat(admission, undefined, greedy));
    expect(gone(own)).toHaveLength(own.length - 3);
    expect(gone(others)).toEqual([]);
    expect(admission.unauthenticated).toBe(7);
  });

  it("its strangers give way before those that proved a password, and these when there is no other", () => {
    const { admission, own } = crowded(["proved", "proved", "stranger"]);
    own.push(seat(admission, "proved", greedy));
    expect(gone(own)).toEqual([2]);
    own.push(seat(admission, undefined, greedy));
    expect(gone(own)).toEqual([0, 2]);
  });

  it("and all of them are being worked on, the newcomer is sent away", () => {
    const { admission, others, own } = crowded();
    for (const { place } of own) place.busy = true;
    const newcomer = seat(admission, undefined, greedy);
    expect(newcomer.socket.destroyed).toBe(true);
    newcomer.place.step("step", "stranger");
    expect([gone(own), gone(others), admission.unauthenticated]).toEqual([[], [], 7]);
  });

  it("sessions are not counted; one that logs out is answered, and what it has too much is taken next time", () => {
    const { admission, others, own } = crowded();
    for (const { place } of own) place.busy = true;
    const session = seat(admission, "session", greedy);
    expect(session.socket.destroyed).toBe(true);
    for (const { place } of own) place.busy = false;
    const again = seat(admission, "session", greedy);
    expect(gone([again, ...own])).toEqual([1]);
    own.push(seat(admission, "stranger", greedy));
    for (const { place } of [...own, again]) place.busy = true;
    again.place.step("step", "stranger");
    expect([gone([again]), admission.unauthenticated]).toEqual([[], 8]);
    for (const { place } of [...own, again]) place.busy = false;
    own.push(seat(admission, undefined, greedy));
    expect([gone(others), admission.unauthenticated]).toEqual([[], 7]);
  });

  it("places come back when their sockets close, and when they get a session", () => {
    const { admission, own } = crowded();
    own[0]?.socket.destroy();
    own[1]?.place.step("idle", "session");
    own.push(seat(admission, undefined, greedy), seat(admission, undefined, greedy));
    expect(gone(own)).toEqual([0]);
  });

  it("an exempt address has as many as there are", () => {
    const admission = new Admission(limits);
    const seats = Array.from({ length: 8 }, () => seat(admission, "stranger"));
    expect(gone(seats)).toEqual([]);
    seats.push(seat(admission));
    expect(gone(seats)).toEqual([0]);
  });
});

describe("whatever comes and goes", () => {
  type Move = readonly [kind: "come" | "leave" | "busy" | Rank, which: number];
  const move = fc.tuple(
    fc.constantFrom<Move[0]>("come", "come", "come", "leave", "busy", "stranger", "proved", "session"),
    fc.nat({ max: 1000 }),
  );
  const limits: AdmissionLimits = { unauthenticated: 6, perAddress: 2, perPerson: 32, authenticated: 3, deadlines };

  it("the places are those of the sockets that live, within the limits, and no busy one was taken", () => {
    fc.assert(
      fc.property(fc.array(move, { maxLength: 200 }), (moves) => {
        const admission = new Admission(limits);
        let seats: (Seat & { readonly address: string | undefined })[] = [];
        const ended = new Set<Seat>();
        for (const [kind, which] of moves) {
          const address = [undefined, "a", "b", "c", "d"][which % 5];
          const chosen = seats[which % Math.max(1, seats.length)];
          if (kind === "come") seats.push({ ...seat(admission, undefined, address), address });
          else if (kind === "busy" && chosen !== undefined) chosen.place.busy = !chosen.place.busy;
          else if (kind === "leave" && chosen !== undefined) {
            ended.add(chosen);
            chosen.socket.destroy();
          } else if (kind !== "busy" && kind !== "leave") chosen?.place.step("step", kind);
          const taken = seats.filter((each) => each.socket.destroyed && !ended.has(each));
          expect(taken.filter(({ place }) => place.busy)).toEqual([]);
          seats = seats.filter(({ socket }) => !socket.destroyed);
          check(admission, seats);
        }
      }),
    );
  });

  function check(admission: Admission, seats: readonly (Seat & { readonly address: string | undefined })[]): void {
    const waiting = seats.filter(({ place }) => place.rank !== "session");
    expect([admission.open, admission.unauthenticated]).toEqual([seats.length, waiting.length]);
    const free = (list: readonly Seat[]) => list.filter(({ place }) => !place.busy).length;
    expect(free(waiting)).toBeLessThanOrEqual(limits.unauthenticated);
    for (const address of ["a", "b", "c", "d"]) {
      expect(free(waiting.filter((each) => each.address === address))).toBeLessThanOrEqual(limits.perAddress);
    }
  }
});

it("thousands of sockets from as many addresses leave nothing behind", () => {
  const admission = new Admission({ unauthenticated: 512, perAddress: 8, perPerson: 32, authenticated: 16, deadlines });
  const seats = Array.from({ length: 10_000 }, (_, index) =>
    seat(admission, "stranger", `10.0.${index >> 8}.${index}`),
  );
  expect(gone(seats)).toHaveLength(10_000 - 512);
  for (const { socket } of seats) socket.destroy();
  expect(admission.open).toBe(0);
});

describe("a deadline", () => {
  it("of a step begins with the step, and is the last one's no more", () => {
    const admission = new Admission({ unauthenticated: 8, perAddress: 8, perPerson: 32, authenticated: 8, deadlines });
    const { place, socket } = seat(admission, "stranger");
    vi.advanceTimersByTime(59_000);
    place.step("step", "stranger");
    vi.advanceTimersByTime(59_000);
    expect(socket.destroyed).toBe(false);
    vi.advanceTimersByTime(1_000);
    expect(socket.destroyed).toBe(true);
    expect(admission.open).toBe(0);
  });

  it("is the one of the last step's kind, and one that has passed can be begun anew", () => {
    const admission = new Admission({ unauthenticated: 8, perAddress: 8, perPerson: 32, authenticated: 8, deadlines });
    const { place } = seat(admission, "stranger");
    let passed = 0;
    place.onDeadline(() => {
      passed += 1;
    });
    const passesIn = (seconds: number) => {
      vi.advanceTimersByTime(seconds * 1000 - 1);
      const before = passed;
      vi.advanceTimersByTime(1);
      return passed - before;
    };
    place.step("idle", "session", "acc_1");
    vi.advanceTimersByTime(1_000_000);
    place.step("step", "stranger");
    expect(passesIn(60)).toBe(1);
    place.step("step", "stranger");
    expect(passesIn(60)).toBe(1);
    vi.advanceTimersByTime(10_000_000);
    expect(passed).toBe(2);
  });

  it("is none any more once the place is left, whatever step is begun then", () => {
    const admission = new Admission({ unauthenticated: 8, perAddress: 8, perPerson: 32, authenticated: 8, deadlines });
    const { place, socket } = seat(admission, "stranger");
    socket.destroy();
    place.step("step", "stranger");
    place.step("idle", "session", "acc_1");
    expect(vi.getTimerCount()).toBe(0);
    expect(admission.open).toBe(0);
  });
});
