/** The result of an instant query as a table. */

import { useMemo, useState } from "preact/hooks";

import type { Result, Sample } from "../api/results";
import { visible } from "../lib/format";
import { allLabels, tellingLabels, varyingLabels, type Labels } from "../lib/labels";
import { formatTime, type Zone } from "../lib/time";
import { texts } from "../texts";
import { Empty, Foreign, Icon, Notice } from "../ui/widgets";

const MAX_ROWS = 1000;

interface Order {
  /** A label's name, or null for the value. */
  column: string | null;
  down: boolean;
}

function compare(a: Sample, b: Sample, { column, down }: Order): number {
  const sign = down ? -1 : 1;
  if (column !== null) {
    return sign * (a.labels[column] ?? "").localeCompare(b.labels[column] ?? "", "en", { numeric: true });
  }
  const left = Number.isNaN(a.value) ? -Infinity : a.value;
  const right = Number.isNaN(b.value) ? -Infinity : b.value;
  return left === right ? 0 : left < right ? -sign : sign;
}

/** Returns the labels of series: first what tells them apart, last what all have in common. */
function columns(all: readonly Labels[]): string[] {
  return [...new Set([...tellingLabels(all), ...varyingLabels(all), ...allLabels(all)])];
}

interface HeadProps {
  text: string;
  name: string | null;
  order: Order | null;
  onOrder: (order: Order) => void;
}

function Head({ text, name, order, onOrder }: HeadProps) {
  const active = order !== null && order.column === name;
  return (
    <th scope="col" class={name === null ? "number sticky" : ""} aria-sort={active ? (order.down ? "descending" : "ascending") : undefined}>
      <button
        type="button"
        class="sort"
        onClick={() => onOrder({ column: name, down: active ? !order.down : name === null })}
      >
        <Foreign text={text} limit={80} />
        {active ? <Icon name="sort" /> : null}
      </button>
    </th>
  );
}

function VectorTable({ samples, zone }: { samples: readonly Sample[]; zone: Zone }) {
  const [order, setOrder] = useState<Order | null>(null);
  const labels = useMemo(() => columns(samples.map((sample) => sample.labels)), [samples]);
  const sorted = useMemo(
    () => (order === null ? samples : [...samples].sort((a, b) => compare(a, b, order))),
    [samples, order],
  );
  const text = texts.explore;
  return (
    <>
      {samples.length > MAX_ROWS ? <Notice kind="warning">{text.tooManyRows(MAX_ROWS, samples.length)}</Notice> : null}
      <div class="table-scroll" tabIndex={0} role="region" aria-label={text.table}>
        <table class="data">
          <caption>{text.atTime(formatTime(samples[0]?.time ?? 0, zone))}</caption>
          <thead>
            <tr>
              {labels.map((label) => (
                <Head key={label} text={label === "__name__" ? text.metric : label} name={label} order={order} onOrder={setOrder} />
              ))}
              <Head text={text.value} name={null} order={order} onOrder={setOrder} />
            </tr>
          </thead>
          <tbody>
            {sorted.slice(0, MAX_ROWS).map((sample, index) => (
              <tr key={index}>
                {labels.map((label) => {
                  const value = sample.labels[label] ?? "";
                  return (
                    <td key={label} title={value.length > 24 ? visible(value, 1000) : undefined}>
                      <div class="cell">
                        <Foreign text={value} />
                      </div>
                    </td>
                  );
                })}
                <td class="number strong sticky">{sample.text}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

export function ResultTable({ result, zone }: { result: Result; zone: Zone }) {
  const text = texts.explore;
  if (result.kind === "vector") {
    if (result.samples.length > 0) return <VectorTable samples={result.samples} zone={zone} />;
    return (
      <Empty title={text.noSeries}>
        <p>{text.noSeriesHint}</p>
      </Empty>
    );
  }
  if (result.kind === "matrix") {
    // The answer to a range selector such as up[5m].
    const samples = result.series.flatMap((series) =>
      series.times.map((time, at) => ({ labels: series.labels, time, value: series.values[at] ?? NaN, text: `${series.texts[at] ?? ""} @ ${formatTime(time, zone)}` })),
    );
    if (samples.length > 0) return <VectorTable samples={samples} zone={zone} />;
    return (
      <Empty title={text.noSeries}>
        <p>{text.noSeriesHint}</p>
      </Empty>
    );
  }
  return (
    <div class="single">
      <span class="single-value">
        <Foreign text={result.text} limit={2000} />
      </span>
      <span class="muted">{text.atTime(formatTime(result.time, zone))}</span>
    </div>
  );
}
