import { type App, within } from "../app.js";
import { addAdminRoutes } from "./admin.js";
import { addAuthenticatorRoutes } from "./authenticators.js";
import { requireKeys } from "./authorize.js";
import { addChallengeRoutes } from "./challenges.js";
import { addOtpRoutes } from "./otp.js";
import type { ApiParts } from "./parts.js";
import { addSessionRoutes } from "./session.js";

/** The API of other applications: everything here takes a key. */
export async function addApi(app: App, parts: ApiParts): Promise<void> {
  const { services } = parts;
  await within(app, async (api) => {
    requireKeys(api, services);
    addOtpRoutes(api, parts);
    addAuthenticatorRoutes(api, services);
    addChallengeRoutes(api, parts);
    await addSessionRoutes(api, services);
    addAdminRoutes(api, parts);
  });
}
