/** Use by day and month, from totals that only grow. */

export interface Period {
  /** `2026-11-28` or `2026-11`. */
  name: string;
  amount: number;
  /** Whether the period has not ended, or days of it are missing. */
  partial: boolean;
}

const DAY = 86_400;

/** Returns the first midnight of the month of a time, UTC. */
export function monthStart(time: number): number {
  const date = new Date(time * 1000);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth()) / 1000;
}

/** Returns the last midnight, UTC. */
export function midnight(time: number): number {
  return Math.floor(time / DAY) * DAY;
}

/**
 * Returns the use of each day from the totals at each midnight and the total now. A total that becomes smaller was
 * counted again with other weights, or lost: that day has no use, so that none is shown twice.
 */
export function byDay(totals: readonly (number | null)[], start: number, current: number | null, now: number): Period[] {
  const days: Period[] = [];
  totals.forEach((total, index) => {
    const begin = start + index * DAY;
    const last = begin + DAY > now;
    const next = last ? current : totals[index + 1];
    if (total === null || next == null) return;
    days.push({ name: new Date(begin * 1000).toISOString().slice(0, 10), amount: Math.max(0, next - total), partial: last });
  });
  return days;
}

/** Returns the use of each month from that of its days. A month without some of its days is partial. */
export function byMonth(days: readonly Period[]): Period[] {
  const months = new Map<string, Period[]>();
  for (const day of days) {
    const name = day.name.slice(0, 7);
    months.set(name, [...(months.get(name) ?? []), day]);
  }
  return [...months].map(([name, parts]) => {
    const calendarDays = new Date(Date.UTC(Number(name.slice(0, 4)), Number(name.slice(5)), 0)).getUTCDate();
    return {
      name,
      amount: parts.reduce((sum, day) => sum + day.amount, 0),
      partial: parts.length < calendarDays || parts.some((day) => day.partial),
    };
  });
}
