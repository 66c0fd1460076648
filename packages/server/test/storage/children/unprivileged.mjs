// unprivileged.mjs DIRECTORY CREATE: tells what opening comes to, for one whom permissions bind.
import { open, outcome, tell } from "./open.mjs";

const NOBODY = 65534;
if (process.getuid() === 0) {
  process.setegid(NOBODY);
  process.seteuid(NOBODY);
}
const [directory, create] = process.argv.slice(2);
tell(await outcome(open(directory, create === "true")));
