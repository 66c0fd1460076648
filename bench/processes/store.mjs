import { server } from "./dist.mjs";

const { createStore, findStore } = await server("store.js");
const { parsePostgresUrl } = await server("postgres-url.js");

export const PASSWORD = "a password for a bench";

/** A folder, or the URL of a database that asks for no password. */
function locationOf({ directory, database }) {
  const warn = () => undefined;
  if (database === undefined) return { directory, warn };
  return { database: { server: parsePostgresUrl(database), password: async () => undefined }, warn };
}

/** The store that is there, or a new one; at all that its password costs an operator. */
export async function openStore(place) {
  const location = locationOf(place);
  const sealed = await findStore(location);
  return sealed === undefined ? createStore(location, Buffer.from(PASSWORD)) : sealed.unseal(Buffer.from(PASSWORD));
}
