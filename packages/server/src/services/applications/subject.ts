import { PosternError } from "@postern/shared/errors";
import { type Id, idPrefixes } from "@postern/shared/ids";
import type { Barrier } from "../../barrier/barrier.js";
import type { Caller } from "./api-keys.js";

/** Which application asks: all that it makes belongs to it, and to none of its keys. */
export type Owner = Pick<Caller, "application" | "applicationName">;

declare const subject: unique symbol;

/** Whom an application means, in its own words; in NFC, so that one subject has one spelling. */
export type Subject = string & { readonly [subject]: true };

export const SUBJECT_LENGTH_MAX = 128;

/** Fillers, selectors, and what Unicode has not assigned or no two programs show alike: two subjects would look like one. */
const HIDDEN = /[\p{C}\p{Default_Ignorable_Code_Point}]/u;

/** @throws PosternError `subject_invalid` */
export function parseSubject(text: string): Subject {
  const parsed = text.normalize("NFC");
  if (!isOneLine(parsed, SUBJECT_LENGTH_MAX) || HIDDEN.test(parsed)) throw new PosternError("subject_invalid");
  return parsed as Subject;
}

/** At most so many characters, and none that steers a terminal, ends a line, does not show, or is half a character. */
export function isOneLine(text: string, charactersMax: number): boolean {
  const characters = [...text].length;
  return characters >= 1 && characters <= charactersMax && !/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(text);
}

export type CredentialKind = "otp" | "totp" | "hotp";

/**
 * The id of what an application keeps of a kind for a subject: always the same, so that there is one, and it can be found
 * without a list. It is a keyed hash, and tells nothing of the subject. No name of a person's holds a NUL, so it is no
 * name's either.
 */
export function credentialId<K extends CredentialKind>(
  barrier: Pick<Barrier, "nameIndex">,
  kind: K,
  { application }: Pick<Owner, "application">,
  of: Subject,
): Id<K> {
  const index = barrier.nameIndex(`${kind}\0${application}\0${of}`);
  return `${idPrefixes[kind]}_${index.toString("hex", 0, 16)}` as Id<K>;
}
