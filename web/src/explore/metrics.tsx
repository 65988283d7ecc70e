/** The project's metrics, to choose one. */

import { useState } from "preact/hooks";

import { labelValues, metadata, type Metadata } from "../api/prometheus";
import { texts } from "../texts";
import { Failure, useLoad } from "../ui/load";
import { Empty, Foreign, SearchBox, Skeleton } from "../ui/widgets";

const MAX_SHOWN = 200;

interface Metrics {
  names: string[];
  about: Record<string, Metadata[]>;
}

async function load(match: string | undefined, signal: AbortSignal): Promise<Metrics> {
  const [names, about] = await Promise.all([
    labelValues("__name__", match === undefined ? { signal } : { match, signal }),
    metadata().catch(() => ({})),
  ]);
  return { names, about };
}

/** Returns the query to begin with: counters are only useful as rates. */
export function firstQuery(name: string, type: string): string {
  const plain = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(name) ? name : `{${JSON.stringify(name)}}`;
  const counter = type === "counter" || /_(total|count|sum|bucket)$/.test(name);
  return counter ? `rate(${plain}[5m])` : plain;
}

export function MetricList({ match, onChoose }: { match?: string | undefined; onChoose: (query: string) => void }) {
  const text = texts.explore;
  const [search, setSearch] = useState("");
  const { data, error, reload } = useLoad((signal) => load(match, signal), [match]);
  if (error !== null) return <Failure error={error} onRetry={reload} />;
  if (data === null) return <Skeleton rows={6} />;
  if (data.names.length === 0) {
    return (
      <Empty title={text.noMetrics}>
        <p>{text.noMetricsHint}</p>
      </Empty>
    );
  }
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const found = data.names.filter((name) => {
    const about = `${name} ${data.about[name]?.[0]?.help ?? ""}`.toLowerCase();
    return words.every((word) => about.includes(word));
  });
  return (
    <div class="metrics">
      <SearchBox label={text.metricSearch} value={search} onInput={setSearch} />
      <p class="hint" role="status">
        {found.length === 0 ? text.noMetricMatch : text.metricCount(Math.min(found.length, MAX_SHOWN), data.names.length)}
      </p>
      <ul class="metric-list">
        {found.slice(0, MAX_SHOWN).map((name) => {
          const about = data.about[name]?.[0];
          return (
            <li key={name}>
              <button type="button" onClick={() => onChoose(firstQuery(name, about?.type ?? ""))}>
                <span class="metric-name mono">
                  <Foreign text={name} />
                </span>
                {about && about.type !== "unknown" ? <span class="tag">{about.type}</span> : null}
                {about?.help ? (
                  <span class="metric-help muted">
                    <Foreign text={about.help} />
                  </span>
                ) : null}
              </button>
            </li>
          );
        })}
      </ul>
    </div>
  );
}
