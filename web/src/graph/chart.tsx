/** A graph of fixed queries, on the pages that are not Explore. */

import { useMemo, useRef } from "preact/hooks";

import { queryRange } from "../api/prometheus";
import { onGrid } from "../api/results";
import { formatValue, visible, type Unit } from "../lib/format";
import { shortName, tellingLabels } from "../lib/labels";
import { exploreLink } from "../lib/state";
import { autoStep, grid } from "../lib/step";
import { useStore } from "../lib/store";
import { formatTime } from "../lib/time";
import { kept } from "../scope";
import { dark, settings } from "../settings";
import { texts } from "../texts";
import { Failure, useLoad } from "../ui/load";
import { Foreign, Skeleton } from "../ui/widgets";
import { LazyGraph } from "./lazy";
import { seriesColor } from "./palette";

export interface ChartQuery {
  /** The name of the line; without it, series are named by their labels. */
  name?: string;
  query: string;
}

interface ChartProps {
  title: string;
  queries: readonly ChartQuery[];
  range: number;
  end: number;
  unit: Unit;
  /** The shortest step in seconds. A step below the interval of the scrapes would draw stairs. */
  minStep: number;
  /** The text for an answer without series. */
  nothing?: string | undefined;
  /** The chosen project; null for all. */
  only: string | null;
  sync: string;
}

const HEIGHT = 190;
const MAX_LINES = 50;
const MAX_NAMED = 12;

export function Chart({ title, queries, range, end, unit, minStep, nothing, only, sync }: ChartProps) {
  const { zone } = useStore(settings);
  const isDark = useStore(dark);
  const host = useRef<HTMLDivElement>(null);
  const { data, error, reload } = useLoad(
    async (signal) => {
      const times = grid(end, range, Math.max(minStep, autoStep(range, host.current?.clientWidth ?? 500, "medium")));
      const answers = await Promise.all(
        queries.map(({ query }) => queryRange({ query, start: times.start, end: times.end, step: times.step }, { only, signal })),
      );
      return { times, answers };
    },
    [queries.map(({ query }) => query).join("\n"), only],
    [range, end],
  );
  const drawn = useMemo(() => {
    if (data === null) return null;
    const { start, end: last, step } = data.times;
    const count = Math.round((last - start) / step) + 1;
    const times = Array.from({ length: count }, (_, index) => start + index * step);
    const lines = data.answers.flatMap((answer, at) => {
      const series = answer.result.kind === "matrix" ? answer.result.series : [];
      const telling = new Set(tellingLabels(series.map((one) => one.labels)));
      return series.slice(0, MAX_LINES).map((one) => ({
        name: queries[at]?.name ?? shortName(one.labels, telling),
        values: onGrid(one, start, step, count),
      }));
    });
    return { times, lines: lines.map((line, index) => ({ ...line, color: seriesColor(index, isDark) })) };
  }, [data, isDark]);
  const latest = (drawn?.lines ?? []).slice(0, MAX_NAMED).map(({ name, values }) => {
    const value = values.findLast((one) => one !== null);
    return `${visible(name, 80)} ${value == null ? "–" : formatValue(value, unit)}`;
  });
  return (
    <section class="card" aria-label={title}>
      <div class="card-head">
        <h2>{title}</h2>
        {drawn?.lines.length ? <a href={exploreLink(queries.map(({ query }) => query), range, kept(only))}>{texts.servers.openIn}</a> : null}
      </div>
      <div ref={host}>
        {error !== null ? (
          <Failure error={error} onRetry={reload} />
        ) : drawn === null || data === null ? (
          <Skeleton rows={5} />
        ) : drawn.lines.length === 0 ? (
          <p class="hint">{queries.length === 0 ? texts.servers.missing : (nothing ?? texts.servers.nothing)}</p>
        ) : (
          <>
            <LazyGraph
              label={`${texts.explore.graphLabel(title, formatTime(data.times.start, zone), formatTime(data.times.end, zone))} ${texts.explore.graphValues(latest.join(", "))}`}
              times={drawn.times}
              lines={drawn.lines}
              from={data.times.start}
              to={data.times.end}
              fromZero
              unit={unit}
              zone={zone}
              dark={isDark}
              height={HEIGHT}
              sync={sync}
            />
            {drawn.lines.length > 1 ? (
              <ul class="keys">
                {drawn.lines.slice(0, MAX_NAMED).map((line, index) => (
                  <li key={index}>
                    <span class="dot" style={{ background: line.color }} />
                    <Foreign text={line.name} limit={80} />
                  </li>
                ))}
              </ul>
            ) : null}
          </>
        )}
      </div>
    </section>
  );
}
