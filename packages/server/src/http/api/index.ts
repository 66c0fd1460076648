import type { Deliver } from "../../services/applications/delivery.js";
import type { ServiceContext } from "../../services/context.js";
import { type App, within } from "../app.js";
import { addAuthenticatorRoutes } from "./authenticators.js";
import { requireKeys } from "./authorize.js";
import { addOtpRoutes } from "./otp.js";

export interface ApiParts {
  readonly services: ServiceContext;
  /** Undefined: this server sends no mail. */
  readonly deliver?: Deliver | undefined;
}

/** The API of other applications: everything here takes a key. */
export async function addApi(app: App, parts: ApiParts): Promise<void> {
  await within(app, async (api) => {
    requireKeys(api, parts.services);
    addOtpRoutes(api, parts);
    addAuthenticatorRoutes(api, parts);
  });
}
