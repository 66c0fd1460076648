/** `npm run setup`: installs and builds what is out of date, and says nothing when nothing is. */
import { requireNode } from "./node-version.mjs";

requireNode();

void import("./workspace.mjs").then(({ setUpOrExit }) => setUpOrExit());
