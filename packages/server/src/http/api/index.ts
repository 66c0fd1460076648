import type { ServiceContext } from "../../services/context.js";
import { type App, within } from "../app.js";
import { requireKeys } from "./authorize.js";

export interface ApiParts {
  readonly services: ServiceContext;
}

/** The API of other applications: everything here takes a key. */
export async function addApi(app: App, { services }: ApiParts): Promise<void> {
  await within(app, async (api) => {
    requireKeys(api, services);
  });
}
