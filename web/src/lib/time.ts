/** Times and durations. Times are seconds since the epoch. */

export type Zone = "local" | "utc";

const DAY = 86_400;
const YEAR = 365 * DAY;

const UNITS: Readonly<Record<string, number>> = {
  y: YEAR,
  w: 7 * DAY,
  d: DAY,
  h: 3600,
  m: 60,
  s: 1,
  ms: 0.001,
};

/**
 * Returns the seconds of a Prometheus duration such as `1h30m`, or of a plain number of seconds; null if it is
 * neither, or zero. Units come from the largest to the smallest, each at most once (Prometheus, ParseDuration).
 */
export function parseDuration(text: string): number | null {
  const trimmed = text.trim();
  if (/^\d+(\.\d+)?$/.test(trimmed)) return Number(trimmed) || null;
  const match = /^(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?$/.exec(trimmed);
  if (match === null) return null;
  const seconds = Object.values(UNITS).reduce(
    (total, unit, index) => total + Number(match[index + 1] ?? 0) * unit,
    0,
  );
  return seconds || null;
}

/** Returns a duration as Prometheus writes it: `5400` is `1h30m`. */
export function formatDuration(seconds: number): string {
  let rest = Math.round(seconds * 1000);
  let text = "";
  for (const unit of ["d", "h", "m", "s", "ms"]) {
    const size = Math.round((UNITS[unit] ?? 1) * 1000);
    const count = Math.floor(rest / size);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * size;
  }
  return text || "0s";
}

interface Parts {
  year: string;
  month: string;
  day: string;
  hour: string;
  minute: string;
  second: string;
}

function parts(time: number, zone: Zone): Parts {
  const date = new Date(time * 1000);
  const two = (number: number) => String(number).padStart(2, "0");
  return zone === "utc"
    ? {
        year: String(date.getUTCFullYear()),
        month: two(date.getUTCMonth() + 1),
        day: two(date.getUTCDate()),
        hour: two(date.getUTCHours()),
        minute: two(date.getUTCMinutes()),
        second: two(date.getUTCSeconds()),
      }
    : {
        year: String(date.getFullYear()),
        month: two(date.getMonth() + 1),
        day: two(date.getDate()),
        hour: two(date.getHours()),
        minute: two(date.getMinutes()),
        second: two(date.getSeconds()),
      };
}

/** Returns `2026-11-28 11:09:24`, without seconds if they are zero and not asked for. */
export function formatTime(time: number, zone: Zone, seconds = true): string {
  const at = parts(time, zone);
  return `${at.year}-${at.month}-${at.day} ${at.hour}:${at.minute}${seconds ? `:${at.second}` : ""}`;
}

/** Returns `11:09`. */
export function formatClock(time: number, zone: Zone): string {
  const at = parts(time, zone);
  return `${at.hour}:${at.minute}`;
}

/** Returns `2026-11-28`. */
export function formatDay(time: number, zone: Zone): string {
  const at = parts(time, zone);
  return `${at.year}-${at.month}-${at.day}`;
}

/**
 * Returns the time of `2026-11-28[ 11:09[:24]]` in a zone; null if it is no time. A `T` may be between date and time. What is copied
 * from logs or other programs has a zone of its own: `2026-11-28T11:09:24Z`, or seconds or milliseconds since the epoch.
 */
export function parseTime(text: string, zone: Zone): number | null {
  const trimmed = text.trim();
  if (/^\d{10}(\d{3})?$/.test(trimmed)) return Number(trimmed.slice(0, 10));
  const match = /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?(Z|[+-]\d{2}:\d{2})?)?$/.exec(trimmed);
  if (match === null) return null;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match
    .slice(1, 7)
    .map((part: string | undefined) => Number(part ?? 0));
  if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 59) return null;
  const [, sign = "+", hours = 0, minutes = 0] = /([+-])(\d{2}):(\d{2})/.exec(match[7] ?? "") ?? [];
  const utc = match[7] !== undefined || zone === "utc";
  const date = utc ? new Date(Date.UTC(year, month - 1, day, hour, minute, second)) : new Date(year, month - 1, day, hour, minute, second);
  // The 31st of a short month would become the first of the next.
  if ((utc ? date.getUTCDate() : date.getDate()) !== day) return null;
  return date.getTime() / 1000 - Number(`${sign}1`) * (Number(hours) * 3600 + Number(minutes) * 60);
}

/** Returns the labels of a time axis: clock times, with the date where a day begins. */
export function axisLabels(times: readonly number[], increment: number, zone: Zone): string[] {
  let shown = "";
  return times.map((time) => {
    const at = parts(time, zone);
    const day = `${at.month}-${at.day}`;
    if (increment >= DAY) return increment >= YEAR ? at.year : day;
    const clock = increment < 60 ? `${at.hour}:${at.minute}:${at.second}` : `${at.hour}:${at.minute}`;
    if (day === shown) return clock;
    shown = day;
    return `${clock}\n${day}`;
  });
}

/** Returns "in 4 min", "now", "12 s ago", "3 days ago"; `now` is the server's time. */
export function formatRelative(time: number, now: number): string {
  const distance = Math.abs(time - now);
  if (distance < 0.5) return "now";
  const [size, unit] =
    distance < 90 ? [1, "s"] : distance < 5400 ? [60, "min"] : distance < 129_600 ? [3600, "h"] : [86_400, "days"];
  const amount = `${Math.round(distance / size)} ${unit}`;
  return time > now ? `in ${amount}` : `${amount} ago`;
}

/** Returns how long ago an event of Prometheus' API was, "" if it has not happened: Go's zero time is in the year 1. */
export function formatAgo(date: string | undefined, now: number): string {
  const time = Date.parse(date ?? "") / 1000;
  return time > 0 ? formatRelative(Math.min(time, now), now) : "";
}
