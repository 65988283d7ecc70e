/** The health of the gateway, and what the caller may do. */

import { useState } from "preact/hooks";

import { ApiError, ask } from "../api/http";
import { queryRange } from "../api/prometheus";
import { now, state } from "../api/session";
import { Chart } from "../graph/chart";
import { useStore } from "../lib/store";
import { useSeesAll } from "../scope";
import { texts } from "../texts";
import { Refresh } from "../ui/list-page";
import { Failure, useLoad } from "../ui/load";
import { Empty, Foreign, Skeleton } from "../ui/widgets";

const text = texts.gateway;
const HOUR = 3600;
const STEP = 15;
const RATE = "sum by (endpoint) (rate(chrysaetos_requests_total[5m]))";
/** More lines than colours could not be told apart. */
const BUSIEST = "topk(8, sum by (endpoint) (rate(chrysaetos_requests_total[1h] @ end())))";

/** Returns the time of the first sample of the gateways' metrics in the last hour; null if there is none. */
async function firstSample(end: number, signal: AbortSignal): Promise<number | null> {
  const { result } = await queryRange({ query: "count(chrysaetos_build_info)", start: end - HOUR, end, step: STEP }, { signal });
  return result.kind === "matrix" ? (result.series[0]?.times[0] ?? null) : null;
}

interface Readiness {
  ready: boolean;
  keystone?: string;
  prometheus?: string;
}

async function readiness(signal: AbortSignal): Promise<Readiness> {
  try {
    return (await ask("/-/ready", { signal })) as Readiness;
  } catch (error) {
    if (error instanceof ApiError && error.body !== null) return { ready: false, ...(error.body as object) };
    throw error;
  }
}

function Part({ name, state: value }: { name: string; state: string | undefined }) {
  if (value === undefined) return null;
  return (
    <div class="fact">
      <dt>{name}</dt>
      <dd>
        <span class={`state ${value === "ok" ? "ok" : "bad"}`}>{value === "ok" ? text.ok : <Foreign text={value} />}</span>
      </dd>
    </div>
  );
}

function Requests({ run }: { run: number }) {
  const { data, error, loading } = useLoad(async (signal) => {
    const end = now();
    const first = await firstSample(end, signal);
    return first === null ? null : { end, range: Math.max(60, end - first) };
  }, [run]);
  if (error !== null) return <Failure error={error} />;
  if (data === null && loading) return <Skeleton rows={4} />;
  if (data === null) {
    return (
      <div class="card">
        <Empty title={text.noMetrics}>
          <p>{text.noMetricsHint}</p>
        </Empty>
      </div>
    );
  }
  const chart = (title: string, query: string, unit: "number" | "seconds", nothing?: string) => (
    <Chart
      title={title}
      queries={[{ query }]}
      unit={unit}
      minStep={STEP}
      nothing={nothing}
      range={data.range}
      end={data.end}
      only={null}
      sync="gateway"
    />
  );
  return (
    <div class="cards">
      {chart(text.requests, `${RATE} > 0 and on (endpoint) ${BUSIEST}`, "number")}
      {chart(text.errors, 'sum by (code) (rate(chrysaetos_requests_total{code=~"[45]..|none"}[5m])) > 0', "number", text.noErrors)}
      {chart(text.latency, "histogram_quantile(0.95, sum by (le) (rate(chrysaetos_gateway_seconds_bucket[5m]))) >= 0", "seconds")}
    </div>
  );
}

export function Gateway() {
  const current = useStore(state);
  const seesAll = useSeesAll();
  const [run, setRun] = useState(0);
  const { data, error, reload } = useLoad(readiness, [], [run]);
  const access = current.kind === "active" ? Object.entries(current.access) : [];
  return (
    <>
      <div class="page-head">
        <h1>{text.title}</h1>
        <span class="muted" />
        <Refresh onClick={() => setRun(run + 1)} />
      </div>
      <section class="card" aria-label={text.health}>
        {error !== null ? (
          <Failure error={error} onRetry={reload} />
        ) : data === null ? (
          <Skeleton rows={2} />
        ) : (
          <dl class="facts">
            <div class="fact">
              <dt>{text.health}</dt>
              <dd>
                <span class={`state ${data.ready ? "ok" : "bad"}`}>{data.ready ? text.ready : text.notReady}</span>
              </dd>
            </div>
            <Part name={text.keystone} state={data.keystone} />
            <Part name={text.prometheus} state={data.prometheus} />
          </dl>
        )}
      </section>
      {seesAll ? <Requests run={run} /> : null}
      <section class="card" aria-label={text.access}>
        <div class="stack">
          <div>
            <h2>{text.access}</h2>
            <p class="hint">{text.accessHint}</p>
          </div>
          <ul class="access">
            {access
              .filter(([, reach]) => reach !== "none")
              .map(([rule, reach]) => (
                <li key={rule}>
                  <code>{rule}</code>
                  <span class={reach === "all_projects" ? "tag strong" : "tag"}>{text.reach[reach] ?? reach}</span>
                </li>
              ))}
          </ul>
        </div>
      </section>
    </>
  );
}
