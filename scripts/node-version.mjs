/** What package.json's `engines` says. Parsed by any Node that knows modules: no newer syntax here. */
const MAJOR = 20;
const MINOR = 19;

/** Ends the process with a hint when this Node is older than the workspace needs. */
export function requireNode(version = process.versions.node) {
  const [major, minor] = version.split(".").map(Number);
  if (major > MAJOR || (major === MAJOR && minor >= MINOR)) return;
  console.error(`error: Postern needs Node ${MAJOR}.${MINOR} or newer, and this is Node ${version}`);
  console.error("hint: install a newer one from https://nodejs.org, or by your version manager");
  process.exit(1);
}
