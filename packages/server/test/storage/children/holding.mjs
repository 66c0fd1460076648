// holding.mjs DIRECTORY: has the store open until it is killed.
import { open, tell } from "./open.mjs";

await open(process.argv[2], false);
tell("open");
setInterval(() => {}, 60_000);
