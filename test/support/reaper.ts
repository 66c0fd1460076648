import { type ChildProcess, spawn } from "node:child_process";

/**
 * Whatever becomes of the tests (a crash, Ctrl-C, `kill -9`), none of the processes that they started stays behind: a
 * shell that outlives them reads who was started and who has ended, and kills the rest when its input ends.
 */
const script = `
trap '' INT HUP TERM
living=
while read -r what id; do
  others=
  for other in $living; do [ "$other" = "$id" ] || others="$others $other"; done
  living=$others
  [ "$what" = ended ] || living="$living $id"
done
[ -z "$living" ] || kill -s KILL -- $living
`;

let reaper: ChildProcess | undefined;

export function tellReaper(what: "started" | "ended", id: number): void {
  reaper ??= spawnReaper();
  reaper.stdin?.write(`${what} ${id}\n`);
}

function spawnReaper(): ChildProcess {
  const child = spawn("sh", ["-c", script], { detached: true, stdio: ["pipe", "ignore", "ignore"] });
  child.unref();
  if (child.stdin !== null && "unref" in child.stdin && typeof child.stdin.unref === "function") child.stdin.unref();
  return child;
}
