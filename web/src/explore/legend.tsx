/** The list of the series of a graph. */

import { useState } from "preact/hooks";

import { formatNumber, formatValue, visible, type Unit } from "../lib/format";
import { texts } from "../texts";
import { Foreign, Icon } from "../ui/widgets";

export interface Entry {
  key: string;
  name: string;
  /** With all labels. */
  full: string;
  color: string;
  last: number | null;
  mean: number | null;
  min: number | null;
  max: number | null;
}

type Column = "last" | "mean" | "min" | "max";

const COLUMNS: readonly { key: Column; text: string }[] = [
  { key: "last", text: texts.explore.legendLast },
  { key: "mean", text: texts.explore.legendMean },
  { key: "min", text: texts.explore.legendMin },
  { key: "max", text: texts.explore.legendMax },
];

const FIRST = 20;

/** Returns last, mean, min and max of the values of a series. */
export function summary(values: readonly (number | null)[]): Pick<Entry, Column> {
  let last: number | null = null;
  let min: number | null = null;
  let max: number | null = null;
  let sum = 0;
  let count = 0;
  for (const value of values) {
    if (value === null) continue;
    last = value;
    min = min === null || value < min ? value : min;
    max = max === null || value > max ? value : max;
    sum += value;
    count++;
  }
  return { last, min, max, mean: count > 0 ? sum / count : null };
}

interface LegendProps {
  entries: readonly Entry[];
  hidden: ReadonlySet<string>;
  unit?: Unit;
  onHidden: (hidden: string[]) => void;
}

export function Legend({ entries, hidden, unit, onHidden }: LegendProps) {
  const [all, setAll] = useState(false);
  const [order, setOrder] = useState<{ column: Column; down: boolean } | null>(null);
  const text = texts.explore;
  const sorted =
    order === null
      ? entries
      : [...entries].sort((a, b) => {
          const difference = (a[order.column] ?? -Infinity) - (b[order.column] ?? -Infinity);
          return (Number.isNaN(difference) ? 0 : difference) * (order.down ? -1 : 1);
        });
  const shown = all ? sorted : sorted.slice(0, FIRST);
  const format = (value: number | null) => (value === null ? "–" : unit ? formatValue(value, unit) : formatNumber(value));
  const toggle = (key: string) => {
    const next = new Set(hidden);
    if (!next.delete(key)) next.add(key);
    onHidden([...next]);
  };
  const only = (key: string) => onHidden(entries.filter((entry) => entry.key !== key).map((entry) => entry.key));
  return (
    <div class="legend">
      <table>
        <thead>
          <tr>
            <th scope="col">{text.legendName}</th>
            {COLUMNS.map((column) => (
              <th
                scope="col"
                class="number"
                key={column.key}
                aria-sort={order?.column === column.key ? (order.down ? "descending" : "ascending") : undefined}
              >
                <button
                  type="button"
                  class="sort"
                  onClick={() => setOrder({ column: column.key, down: order?.column === column.key ? !order.down : true })}
                >
                  {column.text}
                </button>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {shown.map((entry) => {
            const off = hidden.has(entry.key);
            return (
              <tr key={entry.key} class={off ? "off" : ""}>
                <th scope="row">
                  <div class="legend-name">
                    <button
                      type="button"
                      class="legend-toggle"
                      aria-pressed={!off}
                      aria-label={text.legendToggle(visible(entry.name, 100))}
                      title={visible(entry.full, 1000)}
                      onClick={(event) => (event.ctrlKey || event.metaKey || event.shiftKey ? only(entry.key) : toggle(entry.key))}
                    >
                      <span class="dot" style={{ background: off ? "transparent" : entry.color, borderColor: entry.color }} />
                      <span class="clip mono">
                        <Foreign text={entry.name} />
                      </span>
                    </button>
                    {entries.length > 1 ? (
                      <button
                        type="button"
                        class="legend-only"
                        aria-label={text.legendOnlyLabel(visible(entry.name, 100))}
                        onClick={() => only(entry.key)}
                      >
                        {text.legendOnly}
                      </button>
                    ) : null}
                  </div>
                </th>
                {COLUMNS.map((column) => (
                  <td class="number" key={column.key}>
                    {format(entry[column.key])}
                  </td>
                ))}
              </tr>
            );
          })}
        </tbody>
      </table>
      <div class="buttons">
        {all || entries.length <= FIRST ? null : (
          <button type="button" class="button quiet small" onClick={() => setAll(true)}>
            {text.legendMore(entries.length)}
          </button>
        )}
        {entries.some((entry) => hidden.has(entry.key)) ? (
          <button
            type="button"
            class="button quiet small"
            onClick={(event) => {
              // This button goes.
              event.currentTarget.closest(".legend")?.querySelector<HTMLElement>(".legend-toggle")?.focus();
              onHidden([]);
            }}
          >
            <Icon name="refresh" />
            {text.legendAll}
          </button>
        ) : null}
      </div>
    </div>
  );
}
