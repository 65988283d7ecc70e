/** What the project has used, by day and month. */

import { useState } from "preact/hooks";

import { queryInstant, queryRange, type Within } from "../api/prometheus";
import { onGrid } from "../api/results";
import { now } from "../api/session";
import { download } from "../lib/download";
import { formatNumber } from "../lib/format";
import { byDay, byMonth, midnight, monthStart, type Period } from "../lib/usage";
import { ScopeSelector, useOnly } from "../scope";
import { texts } from "../texts";
import { Refresh } from "../ui/list-page";
import { Failure, useLoad } from "../ui/load";
import { Choice, Empty, Foreign, Skeleton } from "../ui/widgets";

const text = texts.usage;

/** The exporter's totals: hours times vCPUs, and hours times MiB. */
const VCPU = "project_vcpu_usage";
const MEMORY = "project_mb_usage / 1024";

const MIN_DAYS = 400;
const DAY = 86_400;
const SHOWN_DAYS = 31;

interface Series {
  total: number | null;
  hour: number | null;
  days: Period[];
}

interface Usage {
  vcpu: Series;
  memory: Series;
  credits: { resource: string; left: number; granted: number | undefined }[];
}

/**
 * The labels of a project, without those of the exporter: two exporters have the same totals. The projects of SimpleVM share
 * an id, and differ in their names.
 */
const PROJECT = "location, location_id, domain_id, project_id, project_name, project";

/** The same for credits: the projects of SimpleVM differ in the label `part`, and a renamed project is the same. */
const CREDITED = "location, location_id, domain_id, project_id, part, project";

/** The newest sample of an hour: a scrape that failed at midnight does not lose a day. */
function newest(query: string, offset = ""): string {
  const [metric = "", divided = ""] = query.split(" / ");
  return `sum(max by (${PROJECT}) (last_over_time(${metric}[1h]${offset})))${divided ? ` / ${divided}` : ""}`;
}

async function one(query: string, within: Within): Promise<number | null> {
  const { result } = await queryInstant(query, null, within);
  return result.kind === "vector" ? (result.samples[0]?.value ?? null) : null;
}

async function series(metric: string, within: Within): Promise<Series> {
  const time = now();
  const end = midnight(time);
  const start = monthStart(end - (MIN_DAYS - 1) * DAY);
  const [total, before, history] = await Promise.all([
    one(newest(metric), within),
    one(newest(metric, " offset 1h"), within),
    queryRange({ query: newest(metric), start, end, step: DAY }, within),
  ]);
  const first = history.result.kind === "matrix" ? history.result.series[0] : undefined;
  const totals = first === undefined ? [] : onGrid(first, start, DAY, (end - start) / DAY + 1);
  return {
    total,
    hour: total === null || before === null ? null : Math.max(0, total - before),
    days: byDay(totals, start, total, time),
  };
}

/** Returns the hours of credits by resource. */
async function creditHours(name: "left" | "granted", within: Within): Promise<Map<string, number>> {
  const hours = `max by (${CREDITED}, resource) (last_over_time(usage_exporter_credits_${name}_hours[1h]))`;
  const { result } = await queryInstant(`sum by (resource) (${hours})`, null, within);
  const samples = result.kind === "vector" ? result.samples : [];
  return new Map(samples.map(({ labels, value }) => [labels["resource"] ?? "", value]));
}

async function load(within: Within): Promise<Usage | null> {
  const [vcpu, memory, left, granted] = await Promise.all([
    series(VCPU, within),
    series(MEMORY, within),
    creditHours("left", within),
    creditHours("granted", within),
  ]);
  if ([vcpu, memory].every(({ total, days }) => total === null && days.length === 0)) return null;
  const credits = [...left].map(([resource, hours]) => ({ resource, left: hours, granted: granted.get(resource) }));
  return { vcpu, memory, credits };
}

function Figure({ name, use }: { name: string; use: Series }) {
  return (
    <section class="card" aria-label={name}>
      <h2>{name}</h2>
      <p class="figure">{use.total === null ? "–" : formatNumber(use.total)}</p>
      <p class="hint">{text.total}</p>
      {use.hour === null ? null : (
        <p>
          {text.now}: <strong>{text.perHour(formatNumber(use.hour))}</strong>
        </p>
      )}
    </section>
  );
}

interface Row {
  name: string;
  partial: boolean;
  vcpu: number | null;
  memory: number | null;
}

/** Returns the periods of both, the newest first. */
function rowsOf(vcpu: readonly Period[], memory: readonly Period[]): Row[] {
  const rows = new Map<string, Row>();
  const row = (period: Period) => {
    const found = rows.get(period.name) ?? { name: period.name, partial: period.partial, vcpu: null, memory: null };
    rows.set(period.name, found);
    return found;
  };
  for (const period of vcpu) row(period).vcpu = period.amount;
  for (const period of memory) {
    const found = row(period);
    found.memory = period.amount;
    found.partial ||= period.partial;
  }
  return [...rows.values()].sort((a, b) => (a.name < b.name ? 1 : -1));
}

function Amount({ value, most, label }: { value: number | null; most: number; label: string }) {
  return (
    <td data-head={label}>
      {value === null ? (
        <span class="muted">–</span>
      ) : (
        <div class="meter wide">
          <span>{formatNumber(value)}</span>
          {most > 0 ? (
            <span class="bar" aria-hidden="true">
              <span style={{ width: `${((value / most) * 100).toFixed(1)}%` }} />
            </span>
          ) : null}
        </div>
      )}
    </td>
  );
}

function Periods({ usage }: { usage: Usage }) {
  const [period, setPeriod] = useState<"day" | "month">("day");
  const all =
    period === "day"
      ? rowsOf(usage.vcpu.days, usage.memory.days)
      : rowsOf(byMonth(usage.vcpu.days), byMonth(usage.memory.days));
  const rows = all.slice(0, SHOWN_DAYS);
  const today = new Date(now() * 1000).toISOString();
  // The bar of a single row would always be full.
  const most = (key: "vcpu" | "memory") => (rows.length > 1 ? Math.max(0, ...rows.map((row) => row[key] ?? 0)) : 0);
  const csv = () => {
    const lines = all.map((row) => `${row.name},${row.vcpu ?? ""},${row.memory ?? ""},${row.partial ? "no" : "yes"}\r\n`);
    download(`usage-by-${period}.csv`, `${period},vcpu_hours,memory_gib_hours,complete\r\n${lines.join("")}`, "text/csv;charset=utf-8");
  };
  return (
    <section class="card stack" aria-label={text.period}>
      <div class="filters">
        <Choice
          label={text.period}
          hideLabel
          value={period}
          options={[
            { value: "day", text: text.byDay },
            { value: "month", text: text.byMonth },
          ]}
          onChange={setPeriod}
        />
        <button type="button" class="button" onClick={csv}>
          {text.csv}
        </button>
      </div>
      <table class="data list">
        <thead>
          <tr>
            <th scope="col">{period === "day" ? text.day : text.month}</th>
            <th scope="col">{text.vcpuHours}</th>
            <th scope="col">{text.memoryHours}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.name}>
              <th scope="row" class="nowrap">
                {row.name} {row.partial ? <span class="muted">{today.startsWith(row.name) ? text.soFar : text.partial}</span> : null}
              </th>
              <Amount value={row.vcpu} most={most("vcpu")} label={text.vcpuHours} />
              <Amount value={row.memory} most={most("memory")} label={text.memoryHours} />
            </tr>
          ))}
        </tbody>
      </table>
      <p class="hint">{text.note}</p>
    </section>
  );
}

export function Usage() {
  const only = useOnly();
  const { data, error, loading, reload } = useLoad((signal) => load({ only, signal }), [only]);
  return (
    <>
      <div class="page-head">
        <h1>{text.title}</h1>
        <span class="muted">{data === null ? "" : text.intro}</span>
        <ScopeSelector />
        <Refresh onClick={reload} />
      </div>
      {error !== null ? (
        <Failure error={error} onRetry={reload} />
      ) : data === null ? (
        <div class="card">
          {loading ? (
            <Skeleton rows={6} />
          ) : (
            <Empty title={text.none}>
              <p>{text.noneHint}</p>
            </Empty>
          )}
        </div>
      ) : (
        <>
          <div class="figures">
            <Figure name={text.vcpuHours} use={data.vcpu} />
            <Figure name={text.memoryHours} use={data.memory} />
            {data.credits.length === 0 ? null : (
              <section class="card" aria-label={text.credits}>
                <h2>{text.credits}</h2>
                <dl class="facts">
                  {data.credits.map((credit) => (
                    <div class="fact" key={credit.resource}>
                      <dt>
                        <Foreign text={credit.resource} limit={80} />
                      </dt>
                      <dd>{text.creditsLeft(formatNumber(credit.left), credit.granted === undefined ? "–" : formatNumber(credit.granted))}</dd>
                    </div>
                  ))}
                </dl>
              </section>
            )}
          </div>
          <Periods usage={data} />
        </>
      )}
    </>
  );
}
