import { aim, figure, inRounds } from "../report/figures.mjs";
import { ratios } from "../report/statistics.mjs";
import { have, LEAD, numbers, seeded, startLoad, startServer, warmingUp } from "./measuring.mjs";

/** The same server twice, the second with the SRP of npm's secure-remote-password in place of ours on OpenSSL. */
export const title = "Against the arithmetic of secure-remote-password";

const AT_ONCE = 16;

export async function measure(context) {
  const [rounds, ours, theirs] = context.quick ? [3, 60, 12] : [5, 200, 40];
  const warm = warmingUp(context);
  const imports = ["package-arithmetic.mjs"];
  const own = await startServer(await seeded(context, warm + rounds * (LEAD + ours), "own-arithmetic"));
  const other = await startServer(
    await seeded(context, rounds * (LEAD / 8 + theirs) + 2 * theirs, "package-arithmetic"),
    { imports },
  );
  const load = await startLoad(1);
  const take = [numbers(), numbers()];
  const login = (server, from, count) => have(load, server, { what: "login", from, count, atOnce: AT_ONCE });
  const round = async () => {
    await login(own, take[0](LEAD), LEAD);
    const { cpu: openssl } = await login(own, take[0](ours), ours);
    await login(other, take[1](LEAD / 8), LEAD / 8);
    const { cpu: packaged } = await login(other, take[1](theirs), theirs);
    return { openssl, packaged };
  };
  try {
    await login(own, take[0](warm), warm);
    await login(other, take[1](2 * theirs), 2 * theirs);
    context.say("  OpenSSL, package, OpenSSL, package …");
    const { openssl, packaged } = await inRounds(rounds, round);
    const times = figure("arithmetic.times", "times as much", "", ratios(packaged, openssl));
    return {
      figures: [
        figure("arithmetic.openssl", `a login, server, ${AT_ONCE} at once`, "ms CPU", openssl),
        figure("arithmetic.package", "the same with the package's half of SRP", "ms CPU", packaged),
        times,
      ],
      aims: [aim("server CPU of a login by the package, of one by ours", "at least", 15, times)],
      notes: [
        "The package takes four powers where three are needed, by integers of JavaScript. Nothing else differs: TLS, store, " +
          "audit and messages are those of the same build.",
      ],
    };
  } finally {
    await load.stop();
    await own.stop();
    await other.stop();
  }
}
