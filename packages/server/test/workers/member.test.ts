import { describe, expect, it } from "vitest";
import { Member } from "../../src/workers/member.js";
import type { FromWorker } from "../../src/workers/messages.js";

const turn = () => new Promise((resolve) => setImmediate(resolve));

function newMember(worker = 2) {
  const said: FromWorker[] = [];
  const server = { instance: "0".repeat(32), pid: 1, startedAt: 0 };
  const begin = { do: "begin" as const, worker, workers: 3, replaces: false, server, options: {} };
  return { said, member: new Member(begin, { send: (message) => void said.push(message) }) };
}

describe("a worker", () => {
  it("leads as the first one, and not else", () => {
    expect([newMember(1).member.leads, newMember(2).member.leads]).toEqual([true, false]);
  });

  it("gets each answer for what it asked", async () => {
    const { said, member } = newMember();
    const waits = [member.takeStart("a"), member.takeStart("b")];
    const shown = member.metrics();
    const ids = said.map((message) => ("id" in message ? message.id : 0));
    member.hear({ do: "wait", id: ids[1] ?? 0, seconds: 7 });
    member.hear({ do: "wait", id: ids[0] ?? 0, seconds: 0 });
    member.hear({ do: "show", id: ids[2] ?? 0, text: "up 1" });
    expect([...(await Promise.all(waits)), await shown]).toEqual([0, 7, "up 1"]);
  });

  it("is not left waiting when the first process is gone", async () => {
    const { member } = newMember();
    const waits = [member.takeStart("a"), member.metrics()];
    member.lose();
    waits.push(member.takeStart("a"), member.metrics());
    for (const wait of waits) await expect(wait).rejects.toMatchObject({ code: "shutting_down" });
  });

  it("tells in one message of the places that changed, and not of what is left and taken again in one go", async () => {
    const { said, member } = newMember();
    for (let step = 0; step < 3; step++) member.places.taken("wire", "a x", 8);
    for (let step = 0; step < 3; step++) {
      member.places.left("wire", "a x");
      member.places.taken("wire", "a x", 8);
    }
    member.places.taken("http", "x", 64);
    await turn();
    await turn();
    expect(said).toEqual([
      {
        say: "places",
        changes: [
          { port: "wire", group: "a x", by: 3, taken: 3, answered: 0, limit: 8 },
          { port: "http", group: "x", by: 1, taken: 1, answered: 0, limit: 64 },
        ],
      },
    ]);
    said.length = 0;
    member.places.left("wire", "a x");
    member.places.taken("wire", "a x", 8);
    await turn();
    await turn();
    expect(said).toEqual([]);
  });

  it("tells of a place that was given up and another one that was taken, though they are as many", async () => {
    const { said, member } = newMember();
    member.places.left("wire", "a x");
    await Promise.resolve();
    member.places.taken("wire", "a x", 8);
    await turn();
    await turn();
    expect(said).toMatchObject([{ changes: [{ by: 0, taken: 1 }] }]);
  });

  it("tells so also when it hears of both in one go, as in a flood of connections", async () => {
    const { said, member } = newMember();
    member.places.onExcess("wire", (group) => member.places.left("wire", group));
    member.places.taken("wire", "a x", 8);
    member.hear({ do: "give-up", port: "wire", group: "a x" });
    member.places.taken("wire", "a x", 8);
    await turn();
    await turn();
    expect(said).toMatchObject([{ changes: [{ by: 1, taken: 2, answered: 1 }] }]);
  });
});
