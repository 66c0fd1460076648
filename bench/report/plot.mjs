import { barPanel, linePanel, PANEL, style, text } from "./svg.mjs";

const GAP = 20;
const HEAD = 56;

/** The results as one picture: a panel for each part that was taken. */
export function plotOf({ machine, began, parts }) {
  const figures = new Map(parts.flatMap((part) => part.figures.map((figure) => [figure.id, figure])));
  const panels = makers.map((make) => make(figures)).filter((panel) => panel !== undefined);
  const rows = Math.max(1, Math.ceil(panels.length / 2));
  const width = 2 * PANEL.width + 3 * GAP;
  const height = HEAD + rows * (PANEL.height + GAP);
  const placed = panels.map((panel, index) => {
    const x = GAP + (index % 2) * (PANEL.width + GAP);
    const y = HEAD + Math.floor(index / 2) * (PANEL.height + GAP);
    return `<g transform="translate(${x} ${y})">\n${frame}\n${panel.join("\n")}\n</g>`;
  });
  const taken = `${machine.cores} cores (${machine.model}), Node ${machine.node}, OpenSSL ${machine.openssl}, ${began.slice(0, 10)}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="Figures of the bench">`,
    `<style>${style}</style>`,
    `<rect width="100%" height="100%" style="fill:var(--paper)"/>`,
    text(GAP, 26, "Postern: the bench", { kind: "title" }),
    text(GAP, 44, `${taken}. Medians; the thin lines go from the least to the greatest round.`, { kind: "faint" }),
    ...placed,
    "</svg>",
    "",
  ].join("\n");
}

const frame = `<rect class="rule" x="0.5" y="0.5" width="${PANEL.width - 1}" height="${PANEL.height - 1}" rx="6"/>`;

/** The bars of those figures that there are. */
function barsOf(figures, labels) {
  const known = Object.entries(labels).filter(([id]) => figures.has(id));
  return known.map(([id, label]) => ({ label, parts: [figures.get(id)] }));
}

const bars = (labels, panel) => (figures) => {
  const found = barsOf(figures, labels);
  return found.length === 0 ? undefined : barPanel({ ...panel, bars: found });
};

function loginAndFloor(figures) {
  const parts = ["handshake", "powers", "commit"].map((name) => figures.get(`login.floor.${name}`));
  if (parts.includes(undefined)) return undefined;
  const alone = [
    figures.get("login.alone.handshake"),
    figures.get("login.floor.powers"),
    figures.get("login.alone.commit"),
  ];
  return barPanel({
    title: "A full login, and its floor",
    unit: "server, ms CPU",
    bars: [
      { label: "login, 16 at once", parts: [figures.get("login.cpu")] },
      { label: "floor, 16 at once", parts },
      { label: "login, one at a time", parts: [figures.get("login.alone.cpu")] },
      { label: "floor, one at a time", parts: alone },
    ],
    kinds: ["TLS handshake", "three powers", "durable transaction"],
  });
}

function latencies(figures) {
  const steps = ["1", "16", "256", "1000"];
  if (!figures.has("login.1.p50")) return undefined;
  const lines = ["p50", "p95", "p99"].map((name) => ({
    label: name,
    points: steps.map((atOnce) => figures.get(`login.${atOnce}.${name}`)),
  }));
  return linePanel({ title: "How long a login takes", unit: "ms", across: "logins at once", steps, lines, log: true });
}

function growth(figures) {
  const sizes = ["1000", "10000", "100000", "1000000"].filter((size) => figures.has(`growth.${size}.login`));
  if (sizes.length === 0) return undefined;
  const lines = Object.entries({ login: "a login", register: "a registration" }).map(([name, label]) => ({
    label,
    points: sizes.map((size) => figures.get(`growth.${size}.${name}`)),
  }));
  const steps = sizes.map((size) => Number(size).toLocaleString("en-US"));
  return linePanel({ title: "Growth", unit: "server, ms CPU", across: "accounts in the store", steps, lines });
}

const floods = { none: "no flood", handshakes: "handshakes", starts: "login starts", slow: "slow connections" };
const ofFloods = (name) =>
  Object.fromEntries(Object.entries(floods).map(([kind, label]) => [`floods.${kind}.${name}`, label]));

const makers = [
  loginAndFloor,
  latencies,
  growth,
  bars(
    { "arithmetic.openssl": "SRP on OpenSSL", "arithmetic.package": "secure-remote-password" },
    { title: "A login by either arithmetic", unit: "server, ms CPU" },
  ),
  bars(ofFloods("delay_p99"), {
    title: "Event-loop delay under floods",
    unit: "p99, ms",
    limit: { value: 100, label: "aim: below 100" },
  }),
  bars(ofFloods("p99"), { title: "Honest logins beside floods", unit: "p99, ms" }),
  bars(
    {
      "applications.verifyTotp.rate": "codes by time verified",
      "applications.createChallenge.rate": "challenges made",
      "applications.viewPage.rate": "pages shown",
      "applications.answerPage.rate": "answers taken",
    },
    { title: "Calls of applications", unit: "a second, 16 at once" },
  ),
  bars(
    { "client.empty": "node -e 0", "client.version": "postern --version", "client.code": "postern otp code" },
    { title: "The client program", unit: "from start to end, ms", limit: { value: 150, label: "aim: below 150" } },
  ),
  bars(
    {
      "postgres.1.register.rate": "registrations, one node",
      "postgres.2.register.rate": "registrations, two nodes",
      "postgres.1.login.rate": "logins, one node",
      "postgres.2.login.rate": "logins, two nodes",
    },
    { title: "On PostgreSQL, all on this machine", unit: "a second, 16 at once" },
  ),
];
