/** The servers of the project, as a list and one by one. */

import { useMemo, useState } from "preact/hooks";

import { now } from "../api/session";
import { Chart, type ChartQuery } from "../graph/chart";
import { formatValue, plural, type Unit } from "../lib/format";
import { formatRoute } from "../lib/state";
import { useStore } from "../lib/store";
import { route } from "../route";
import { ScopeSelector, useMatcher, type Matcher } from "../scope";
import { texts } from "../texts";
import { Failure, useLoad } from "../ui/load";
import { Choice, Copy, Empty, Foreign, Icon, SearchBox, Skeleton } from "../ui/widgets";
import { loadServers, loadTrends } from "./load";
import { plainId, SOURCES, valueQuery, type Server, type Source, type ValueName } from "./mapping";

const text = texts.servers;
const MAX_SHOWN = 500;

function Nothing() {
  return (
    <Empty title={text.none}>
      <p>{text.noneHint}</p>
      <ul class="sources">
        {SOURCES.map((source) => (
          <li key={source.name}>
            {source.name}: <code>{source.metric}</code>
          </li>
        ))}
      </ul>
      <p>{text.noneAsk}</p>
    </Empty>
  );
}

function Status({ server }: { server: Server }) {
  const { running } = server.values;
  if (server.status) {
    const kind = server.status === "ACTIVE" ? "ok" : server.status === "ERROR" ? "bad" : "";
    return (
      <span class={`state ${kind}`}>
        <Foreign text={server.status} limit={30} />
      </span>
    );
  }
  if (running === undefined) return <span class="muted">–</span>;
  return <span class={`state ${running > 0 ? "ok" : ""}`}>{running > 0 ? text.running : text.stopped}</span>;
}

interface MeterProps {
  value: number | undefined;
  size: number | undefined;
  unit: Unit;
  /** Show the fraction in percent instead of the value. */
  percent?: boolean;
}

function Meter({ value, size, unit, percent = false }: MeterProps) {
  if (value === undefined) return size === undefined ? <span class="muted">–</span> : <span>{formatValue(size, unit)}</span>;
  if (!size) return <span>{formatValue(value, unit)}</span>;
  const fraction = Math.max(0, Math.min(1, value / size));
  return (
    <div class="meter">
      <span class="nowrap">
        {percent ? formatValue(value / size, "percent") : formatValue(value, unit)}{" "}
        <span class="muted">{text.of(percent ? plural(size, "vCPU") : formatValue(size, unit))}</span>
      </span>
      <span class={`bar ${fraction > 0.85 ? "high" : ""}`} aria-hidden="true">
        <span style={{ width: `${(fraction * 100).toFixed(1)}%` }} />
      </span>
    </div>
  );
}

/** A small line without axes. */
function Spark({ values, label }: { values: readonly number[]; label: string }) {
  if (values.length < 2) return <span class="muted">–</span>;
  const top = Math.max(...values, 1e-9);
  const points = values
    .map((value, index) => `${((index / (values.length - 1)) * 120).toFixed(1)},${(27 - (Math.max(0, value) / top) * 25).toFixed(1)}`)
    .join(" ");
  return (
    <svg class="spark" viewBox="0 0 120 28" role="img" aria-label={label}>
      <polyline points={points} />
    </svg>
  );
}

function link(id: string): string {
  const { parameters } = route.get();
  const only = parameters.get("only");
  return formatRoute(`servers/${encodeURIComponent(id)}`, new URLSearchParams(only === null ? {} : { only }));
}

function Trend({ trends, server }: { trends: Map<string, number[]> | null; server: Server }) {
  if (trends === null) return <span class="muted">…</span>;
  return <Spark values={trends.get(server.id) ?? []} label={text.trend(server.name || server.id)} />;
}

function ServerTable({ servers, trends }: { servers: readonly Server[]; trends: Map<string, number[]> | null }) {
  const rate = (value: number | undefined) => (value === undefined ? "–" : formatValue(value, "bytes_per_second"));
  const disks = servers.some(({ values }) => values.disk_size !== undefined || values.disk_read !== undefined || values.disk_write !== undefined);
  return (
    <div class="card table-card">
      <table class="data list">
        <thead>
          <tr>
            <th scope="col">{text.name}</th>
            <th scope="col">{text.status}</th>
            <th scope="col">{text.cpu}</th>
            <th scope="col">
              <span class="hidden">{text.cpu}</span> 1h
            </th>
            <th scope="col">{text.memory}</th>
            {disks ? <th scope="col">{text.disk}</th> : null}
            <th scope="col" class="number">
              {text.network}: {text.received}
            </th>
            <th scope="col" class="number">
              {text.network}: {text.sent}
            </th>
          </tr>
        </thead>
        <tbody>
          {servers.map((server) => {
            const { values } = server;
            return (
              <tr key={server.id} class="server-row">
                <th scope="row">
                  <a href={link(server.id)}>
                    <Foreign text={server.name || server.id} limit={80} />
                  </a>
                </th>
                <td data-head={text.status}>
                  <Status server={server} />
                </td>
                <td data-head={text.cpu}>
                  <Meter value={values.cpu} size={values.vcpus} unit="cores" percent />
                </td>
                <td data-head={`${text.cpu} 1h`}>
                  <Trend trends={trends} server={server} />
                </td>
                <td data-head={text.memory}>
                  <Meter value={values.memory} size={values.memory_size} unit="bytes" />
                </td>
                {disks ? (
                  <td data-head={text.disk}>
                    {values.disk_size === undefined ? <span class="muted">–</span> : formatValue(values.disk_size, "bytes")}
                  </td>
                ) : null}
                <td class="number" data-head={`${text.network}: ${text.received}`}>
                  {rate(values.net_in)}
                </td>
                <td class="number" data-head={`${text.network}: ${text.sent}`}>
                  {rate(values.net_out)}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function List({ matcher }: { matcher: Matcher | null }) {
  const [search, setSearch] = useState("");
  const { data, error, reload } = useLoad((signal) => loadServers(null, matcher, signal), [matcher?.label, matcher?.value]);
  const trends = useLoad(
    (signal) => (data === null ? Promise.resolve(null) : loadTrends(data.sources, matcher, now(), signal)),
    [data],
  );
  const found = useMemo(
    () =>
      (data?.servers ?? []).filter((server) =>
        `${server.name} ${server.id} ${server.host} ${server.status}`.toLowerCase().includes(search.toLowerCase()),
      ),
    [data, search],
  );
  return (
    <>
      <div class="page-head">
        <h1>{text.title}</h1>
        {data !== null && data.sources.length > 0 ? (
          <span class="muted">
            {text.count(data.servers.length)} {text.from(data.sources.map((source) => source.name).join(", "))}
          </span>
        ) : (
          <span class="muted" />
        )}
        <ScopeSelector />
        <button type="button" class="button square" aria-label={texts.explore.refresh} title={texts.explore.refresh} onClick={reload}>
          <Icon name="refresh" />
        </button>
      </div>
      {error !== null ? (
        <Failure error={error} onRetry={reload} />
      ) : data === null ? (
        <div class="card">
          <Skeleton rows={6} />
        </div>
      ) : data.servers.length === 0 ? (
        <div class="card">
          <Nothing />
        </div>
      ) : (
        <>
          {data.servers.length > 5 ? (
            <div class="filters">
              <SearchBox label={text.search} value={search} onInput={setSearch} />
            </div>
          ) : null}
          {found.length > MAX_SHOWN ? <p class="hint">{text.tooMany(MAX_SHOWN, found.length)}</p> : null}
          {found.length === 0 ? (
            <p class="hint">{text.noMatch}</p>
          ) : (
            <ServerTable servers={found.slice(0, MAX_SHOWN)} trends={trends.data} />
          )}
        </>
      )}
    </>
  );
}

type Range = "3600" | "21600" | "86400" | "604800";

/** Returns the queries of a value from the first source that has it. */
function queriesOf(sources: readonly Source[], id: string, values: readonly { name: ValueName; label: string }[]): ChartQuery[] {
  return values.flatMap(({ name, label }) => {
    const query = sources.map((source) => valueQuery(source, name, id)).find((one) => one !== null);
    return query === undefined ? [] : [{ name: label, query }];
  });
}

function Detail({ id, matcher }: { id: string; matcher: Matcher | null }) {
  const [range, setRange] = useState<Range>("3600");
  const { data, error, reload } = useLoad((signal) => loadServers(id, matcher, signal), [id, matcher?.label, matcher?.value]);
  const end = useMemo(() => now(), [data, range]);
  const server = data?.servers.find((one) => one.id === id);
  const only = matcher === null ? {} : { only: `${matcher.label}:${matcher.value}` };
  const back = (
    <a class="button quiet small" href={formatRoute("servers", new URLSearchParams(only))}>
      <Icon name="left" />
      {text.back}
    </a>
  );
  if (error !== null) return <Failure error={error} onRetry={reload} />;
  if (data === null) return <Skeleton rows={6} />;
  if (server === undefined) {
    return (
      <div class="card">
        <Empty title={text.unknown}>
          <p>{text.unknownHint}</p>
          {back}
        </Empty>
      </div>
    );
  }
  const { values } = server;
  const facts: { name: string; value: string }[] = [
    { name: text.vcpus, value: values.vcpus === undefined ? "" : formatValue(values.vcpus, "number") },
    { name: text.memory, value: values.memory_size === undefined ? "" : formatValue(values.memory_size, "bytes") },
    { name: text.disk, value: values.disk_size === undefined ? "" : formatValue(values.disk_size, "bytes") },
    { name: text.host, value: server.host },
    { name: text.source, value: server.sources.join(", ") },
  ].filter(({ value }) => value);
  const seconds = Number(range);
  const sources = data.sources.filter((source) => server.sources.includes(source.name));
  const chart = (title: string, unit: Unit, wanted: { name: ValueName; label: string }[]) => (
    <Chart key={title} title={title} unit={unit} range={seconds} end={end} matcher={matcher} sync="server" queries={queriesOf(sources, id, wanted)} />
  );
  return (
    <>
      <div class="page-head">
        {back}
        <h1 class="clip">
          <Foreign text={server.name || server.id} limit={120} />
        </h1>
        <Status server={server} />
        <span class="muted" />
        <Choice
          label={text.over}
          hideLabel
          value={range}
          options={[
            { value: "3600", text: "1h" },
            { value: "21600", text: "6h" },
            { value: "86400", text: "1d" },
            { value: "604800", text: "7d" },
          ]}
          onChange={setRange}
        />
        <button type="button" class="button square" aria-label={texts.explore.refresh} title={texts.explore.refresh} onClick={reload}>
          <Icon name="refresh" />
        </button>
      </div>
      <dl class="card facts">
        {facts.map((fact) => (
          <div class="fact" key={fact.name}>
            <dt>{fact.name}</dt>
            <dd>
              <Foreign text={fact.value} />
            </dd>
          </div>
        ))}
        <div class="fact double">
          <dt>{text.id}</dt>
          <dd class="buttons">
            <span class="mono">
              <Foreign text={server.id} />
            </span>
            <Copy text={server.id} />
          </dd>
        </div>
      </dl>
      <div class="cards">
        {chart(`${text.cpu} (${text.vcpus})`, "cores", [{ name: "cpu", label: text.cpu }])}
        {chart(text.memory, "bytes", [
          { name: "memory", label: text.memory },
        ])}
        {chart(text.network, "bytes_per_second", [
          { name: "net_in", label: text.received },
          { name: "net_out", label: text.sent },
        ])}
        {chart(text.disk, "bytes_per_second", [
          { name: "disk_read", label: text.read },
          { name: "disk_write", label: text.written },
        ])}
      </div>
    </>
  );
}

export function Servers() {
  const { page } = useStore(route);
  const matcher = useMatcher();
  const encoded = page.split("/")[1] ?? "";
  let id = "";
  try {
    id = decodeURIComponent(encoded);
  } catch {
    id = "";
  }
  return id && plainId(id) ? <Detail key={id} id={id} matcher={matcher} /> : <List matcher={matcher} />;
}
