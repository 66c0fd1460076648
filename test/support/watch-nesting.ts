import { watchNesting } from "../../packages/server/src/storage/calls.js";

/** Before each test file: a storage call inside of a transaction is told, where a server would wait for ever. */
watchNesting();
