/** Times in UTC, as the audit log has them. */
export function isoTime(time: number): string {
  return new Date(time).toISOString();
}

export function shownTime(time: number): string {
  return isoTime(time).slice(0, 19).replace("T", " ");
}

const MIB = 2 ** 20;

/** `96 KiB`, `12 MiB`, `1.5 GiB`: rounded, for people. */
export function shownSize(bytes: number): string {
  if (bytes < MIB) return `${Math.ceil(bytes / 1024)} KiB`;
  if (bytes < 10 * MIB) return `${(bytes / MIB).toFixed(1)} MiB`;
  return bytes < 1024 * MIB ? `${Math.round(bytes / MIB)} MiB` : `${(bytes / 1024 / MIB).toFixed(1)} GiB`;
}

/** `2026-11-21 16:04` */
export function shownMinute(time: number): string {
  return shownTime(time).slice(0, 16);
}

/** `2026-11-21` */
export function shownDay(time: number): string {
  return isoTime(time).slice(0, 10);
}
