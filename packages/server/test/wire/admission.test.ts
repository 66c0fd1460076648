import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { Admission, type Place, type Rank } from "../../src/wire/admission.js";

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

function seat(admission: Admission, rank?: Rank): Seat {
  const socket = new FakeSocket();
  const place = admission.admit(socket as unknown as Socket);
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

describe("attack 52: when all places are taken", () => {
  const limits = { unauthenticated: 3, authenticated: 2, deadlines };

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

describe("a deadline", () => {
  it("of a step begins with the step, and is the last one's no more", () => {
    const admission = new Admission({ unauthenticated: 8, authenticated: 8, deadlines });
    const { place, socket } = seat(admission, "stranger");
    vi.advanceTimersByTime(59_000);
    place.step("step", "stranger");
    vi.advanceTimersByTime(59_000);
    expect(socket.destroyed).toBe(false);
    vi.advanceTimersByTime(1_000);
    expect(socket.destroyed).toBe(true);
    expect(admission.open).toBe(0);
  });
});
