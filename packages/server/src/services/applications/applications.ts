import { PosternError } from "@postern/shared/errors";
import { type ApplicationId, newId } from "@postern/shared/ids";
import type { SealedWriteTransaction } from "../../barrier/barrier.js";
import {
  type Application,
  allApplications,
  findApplication,
  putApplication,
} from "../../records/applications/application.js";
import type { AuditContext } from "../context.js";

/** The application of this id; without one a new one, of this name. @throws PosternError `application_unknown` */
export async function findOrMakeApplication(
  { now, random }: AuditContext,
  tx: SealedWriteTransaction,
  { id, name }: { readonly id: ApplicationId | undefined; readonly name: string },
): Promise<Application> {
  if (id !== undefined) {
    const found = await findApplication(tx, id);
    if (found === undefined) throw new PosternError("application_unknown");
    return found;
  }
  const made: Application = { id: newId("application", random), name, createdAt: now() };
  await putApplication(tx, made);
  return made;
}

/** Every application, the one made last first. */
export async function listApplications({ barrier }: Pick<AuditContext, "barrier">): Promise<Application[]> {
  const all = await barrier.read(allApplications);
  return all.sort((a, b) => b.createdAt - a.createdAt);
}
