import { describe, expect, it } from "vitest";
import { countsOf, createMetrics, createOwnMetrics, type Metrics, mergeFigures } from "../../src/metrics.js";
import { CrewFigures } from "../../src/workers/crew-figures.js";

function metricsOf(open: number, leads: boolean): Metrics {
  return createMetrics({
    version: "1.2.3",
    connections: () => ({ stranger: open }),
    draining: () => false,
    leafEnds: () => 2_000,
    ...(leads && {
      auditLength: async () => 7,
      challenges: async () => ({ open: 1, waiting: 2, dead: 3 }),
      store: async () => ({ bytes: 4096 }),
    }),
  });
}

/** The figures of workers that answer; `silent` ones never do. */
function figuresOf(workers: ReadonlyMap<number, Metrics>, silent: readonly number[] = []) {
  const options = { merge: mergeFigures, countsOf, own: createOwnMetrics().figures, patienceMs: 1 };
  const figures = new CrewFigures(options, async (id) => {
    for (const [worker, metrics] of workers) {
      if (!silent.includes(worker)) figures.note(worker, id, await metrics.figures());
    }
  });
  return { render: () => figures.render([...workers.keys()]), forget: (worker: number) => figures.forget(worker) };
}

const login = { event: "login", outcome: "done" };

describe("the metrics of several workers", () => {
  it("are those of one server: counts and connections added, what is of the store said once", async () => {
    const [first, second] = [metricsOf(2, true), metricsOf(3, false)];
    for (const metrics of [first, second, second]) metrics.heard(login);
    const text = await figuresOf(
      new Map([
        [1, first],
        [2, second],
      ]),
    ).render();
    expect(text).toContain('posternd_logins_total{outcome="done"} 3\n');
    expect(text).toContain('posternd_connections{state="stranger"} 5\n');
    expect(text).toContain("posternd_audit_entries 7\n");
    expect(text).toContain('posternd_callbacks{state="dead"} 3\n');
    expect(text).toContain("posternd_store_bytes 4096\n");
    expect(text).toContain("posternd_certificate_expiry_timestamp_seconds 2\n");
    expect(text).toMatch(/^posternd_build_info\{version="1.2.3",node="v[0-9.]+"\} 1$/m);
    expect(text).toMatch(/^process_cpu_seconds_total [0-9.]+$/m);
  });

  it("never fall because a worker ended: what was read of it stays in the sum", async () => {
    const workers = new Map([
      [1, metricsOf(2, true)],
      [2, metricsOf(3, false)],
    ]);
    for (const metrics of workers.values()) metrics.heard(login);
    const { render, forget } = figuresOf(workers);
    expect(await render()).toContain('posternd_logins_total{outcome="done"} 2\n');
    for (let ends = 0; ends < 2; ends++) {
      workers.set(2, metricsOf(4, false));
      forget(2);
      workers.get(2)?.heard(login);
      const text = await render();
      expect(text).toContain(`posternd_logins_total{outcome="done"} ${3 + ends}\n`);
      expect(text).toContain('posternd_connections{state="stranger"} 6\n');
    }
  });

  it("of a worker that does not answer are those that it told last", async () => {
    const workers = new Map([
      [1, metricsOf(1, true)],
      [2, metricsOf(1, false)],
    ]);
    const silent: number[] = [];
    workers.get(2)?.heard(login);
    const { render } = figuresOf(workers, silent);
    await render();
    silent.push(2);
    expect(await render()).toContain('posternd_logins_total{outcome="done"} 1\n');
  });
});
