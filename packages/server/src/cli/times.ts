/** Times in UTC, as the audit log has them: an operator compares them with it. */
export function isoTime(time: number): string {
  return new Date(time).toISOString();
}

/** `2026-11-21 16:04` */
export function shownMinute(time: number): string {
  return isoTime(time).slice(0, 16).replace("T", " ");
}

/** `2026-11-21` */
export function shownDay(time: number): string {
  return isoTime(time).slice(0, 10);
}
