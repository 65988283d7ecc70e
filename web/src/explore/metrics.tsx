/** The project's metrics, to choose one. */

import { useState } from "preact/hooks";

import { labelValues, metadata, type Metadata } from "../api/prometheus";
import { examples, firstQuery } from "../lib/examples";
import { texts } from "../texts";
import { Failure, useLoad } from "../ui/load";
import { Empty, Foreign, SearchBox, Skeleton } from "../ui/widgets";

const MAX_SHOWN = 200;

interface Metrics {
  names: string[];
  about: Record<string, Metadata[]>;
}

async function load(only: string | null, signal: AbortSignal): Promise<Metrics> {
  const [names, about] = await Promise.all([
    labelValues("__name__", { only, signal }),
    metadata().catch(() => ({})),
  ]);
  return { names, about };
}

/** Returns the metadata of a series' name; that of a histogram or a counter may be under the name without its ending. */
function metadataOf(name: string, about: Metrics["about"]): Metadata | undefined {
  return (about[name] ?? about[name.replace(/_(bucket|count|sum|total)$/, "")])?.[0];
}

interface MetricListProps {
  /** The chosen project; null for all. */
  only: string | null;
  /** Whether examples are shown before the list. */
  begin?: boolean;
  onChoose: (query: string) => void;
}

export function MetricList({ only, begin = false, onChoose }: MetricListProps) {
  const text = texts.explore;
  const [search, setSearch] = useState("");
  const { data, error, reload } = useLoad((signal) => load(only, signal), [only]);
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
    const about = `${name} ${metadataOf(name, data.about)?.help ?? ""}`.toLowerCase();
    return words.every((word) => about.includes(word));
  });
  return (
    <div class="metrics">
      {begin ? (
        <>
          <h2>{text.examples}</h2>
          <ul class="example-list">
            {examples(data.names).map(({ title, query }) => (
              <li key={title}>
                <button type="button" class="example" onClick={() => onChoose(query)}>
                  <span class="strong">{title}</span>
                  <span class="mono muted">{query}</span>
                </button>
              </li>
            ))}
          </ul>
          <h2>{text.start}</h2>
          <p class="muted">{text.startHint}</p>
        </>
      ) : null}
      <SearchBox focus={!begin} label={text.metricSearch} value={search} onInput={setSearch} />
      <p class="hint" role="status">
        {found.length === 0 ? text.noMetricMatch : text.metricCount(Math.min(found.length, MAX_SHOWN), data.names.length)}
      </p>
      <ul class="metric-list">
        {found.slice(0, MAX_SHOWN).map((name) => {
          const about = metadataOf(name, data.about);
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
