/** The servers of the project, as a list and one by one. */

import { useMemo, useState } from "preact/hooks";

import { now } from "../api/session";
import { Chart, type ChartQuery } from "../graph/chart";
import { contains, formatValue, plural, type Unit } from "../lib/format";
import { formatRoute } from "../lib/state";
import { useStore } from "../lib/store";
import { route } from "../route";
import { kept, onlyOf, ScopeSelector, useOnly } from "../scope";
import { texts } from "../texts";
import { ListPage, Refresh } from "../ui/list-page";
import { Failure, useLoad, type Loaded } from "../ui/load";
import { Choice, Copy, Empty, Foreign, Icon, Skeleton } from "../ui/widgets";
import { loadServers, loadTrends, type Trends } from "./load";
import { measureQuery, plainId, type Exporter, type Measure, type Server } from "./exporters";

const text = texts.servers;
const MAX_SHOWN = 500;

function Nothing({ known }: { known: readonly Exporter[] }) {
  return (
    <Empty title={text.none}>
      <p>{text.noneHint}</p>
      <ul class="sources">
        {known.map((exporter) => (
          <li key={exporter.name}>
            <Foreign text={exporter.name} limit={60} />: <code>{exporter.probe}</code>
          </li>
        ))}
      </ul>
      <p>{text.noneAsk}</p>
    </Empty>
  );
}

function Status({ server }: { server: Server }) {
  const { running } = server.measures;
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

/** A small line without axes, with gaps where there are no values. */
function Spark({ values, label }: { values: readonly (number | null)[]; label: string }) {
  const top = Math.max(...values.map((value) => value ?? 0), 1e-9);
  const lines: { x: string; y: string }[][] = [[]];
  values.forEach((value, index) => {
    if (value === null) lines.push([]);
    else
      lines.at(-1)?.push({
        x: ((index / (values.length - 1)) * 120).toFixed(1),
        y: (27 - (Math.max(0, value) / top) * 25).toFixed(1),
      });
  });
  const drawn = lines.filter((line) => line.length > 1);
  if (drawn.length === 0) return <span class="muted">–</span>;
  return (
    <svg class="spark" viewBox="0 0 120 28" role="img" aria-label={label}>
      {drawn.map((line) => {
        const points = line.map(({ x, y }) => `${x},${y}`).join(" ");
        return (
          <g key={line[0]?.x}>
            <polygon points={`${line[0]?.x},28 ${points} ${line.at(-1)?.x},28`} />
            <polyline points={points} />
          </g>
        );
      })}
    </svg>
  );
}

function link(id: string): string {
  return formatRoute(`servers/${encodeURIComponent(id)}`, kept(onlyOf(route.get().parameters)));
}

function Trend({ trends, server }: { trends: Loaded<Trends | null>; server: Server }) {
  if (trends.data === null && trends.error === null) return <span class="muted">…</span>;
  return <Spark values={trends.data?.get(server.id) ?? []} label={text.trend(server.name || server.id)} />;
}

function ServerTable({ servers, trends }: { servers: readonly Server[]; trends: Loaded<Trends | null> }) {
  const rate = (value: number | undefined) => (value === undefined ? "–" : formatValue(value, "bytes_per_second"));
  const disks = servers.some(({ measures }) => measures.disk_total !== undefined);
  return (
    <div class="card table-card">
      <table class="data list">
        <thead>
          <tr>
            <th scope="col">{text.name}</th>
            <th scope="col">{text.status}</th>
            <th scope="col">{text.cpu}</th>
            <th scope="col">{text.lastHour}</th>
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
            const { measures } = server;
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
                  <Meter value={measures.cpu} size={measures.vcpus} unit="cores" percent />
                </td>
                <td data-head={text.lastHour}>
                  <Trend trends={trends} server={server} />
                </td>
                <td data-head={text.memory}>
                  <Meter value={measures.memory} size={measures.memory_total} unit="bytes" />
                </td>
                {disks ? (
                  <td data-head={text.disk}>
                    {measures.disk_total === undefined ? <span class="muted">–</span> : formatValue(measures.disk_total, "bytes")}
                  </td>
                ) : null}
                <td class="number" data-head={`${text.network}: ${text.received}`}>
                  {rate(measures.received)}
                </td>
                <td class="number" data-head={`${text.network}: ${text.sent}`}>
                  {rate(measures.sent)}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function List({ only }: { only: string | null }) {
  const [search, setSearch] = useState("");
  const loaded = useLoad((signal) => loadServers(null, { only, signal }), [only]);
  const { data } = loaded;
  const trends = useLoad(
    (signal) => (data === null ? Promise.resolve(null) : loadTrends(data, now(), { only, signal })),
    [only],
    [data],
  );
  const all = data?.servers ?? [];
  const found = all.filter((server) => contains(`${server.name} ${server.id} ${server.host} ${server.status}`, search));
  return (
    <ListPage
      title={text.title}
      loaded={loaded}
      summary={
        <>
          {text.count(all.length)}
          <Foreign text={text.from((data?.present ?? []).map(({ name }) => name).join(", "))} limit={200} />
        </>
      }
      all={all.length}
      found={found.length}
      none={<Nothing known={data?.known ?? []} />}
      noMatch={text.noMatch}
      search={all.length > 5 ? { label: text.search, value: search, onInput: setSearch } : null}
      controls={<ScopeSelector />}
    >
      {found.length > MAX_SHOWN ? <p class="hint">{text.tooMany(MAX_SHOWN, found.length)}</p> : null}
      <ServerTable servers={found.slice(0, MAX_SHOWN)} trends={trends} />
    </ListPage>
  );
}

type Range = "3600" | "21600" | "86400" | "604800";

/** Returns the queries of measures, each from the exporter that the list has it from, else from the first that has it. */
function queriesOf(exporters: readonly Exporter[], server: Server, wanted: readonly { name: Measure; label: string }[]): ChartQuery[] {
  return wanted.flatMap(({ name, label }) => {
    const source = server.sources[name];
    const query = exporters
      .filter((exporter) => source === undefined || exporter.name === source)
      .map((exporter) => measureQuery(exporter, name, server.id))
      .find((one) => one !== null);
    return query === undefined ? [] : [{ name: label, query }];
  });
}

function Detail({ id, only }: { id: string; only: string | null }) {
  const [range, setRange] = useState<Range>("3600");
  const { data, error, reload } = useLoad((signal) => loadServers(id, { only, signal }), [id, only]);
  const end = useMemo(() => now(), [data, range]);
  const server = data?.servers.find((one) => one.id === id);
  const back = (
    <a class="button quiet small back" href={formatRoute("servers", kept(only))}>
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
  const { measures } = server;
  const facts: { name: string; value: string }[] = [
    { name: text.vcpus, value: measures.vcpus === undefined ? "" : formatValue(measures.vcpus, "number") },
    { name: text.memory, value: measures.memory_total === undefined ? "" : formatValue(measures.memory_total, "bytes") },
    { name: text.disk, value: measures.disk_total === undefined ? "" : formatValue(measures.disk_total, "bytes") },
    { name: text.host, value: server.host },
    { name: text.source, value: server.exporters.join(", ") },
  ].filter(({ value }) => value);
  const seconds = Number(range);
  const exporters = data.present.filter(({ name }) => server.exporters.includes(name));
  const chart = (title: string, unit: Unit, wanted: { name: Measure; label: string }[]) => (
    <Chart key={title} title={title} unit={unit} minStep={60} range={seconds} end={end} only={only} sync="server" queries={queriesOf(exporters, server, wanted)} />
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
        <Refresh onClick={reload} />
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
        <div class="fact">
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
        {chart(text.memory, "bytes", [{ name: "memory", label: text.memory }])}
        {chart(text.network, "bytes_per_second", [
          { name: "received", label: text.received },
          { name: "sent", label: text.sent },
        ])}
        {chart(text.disk, "bytes_per_second", [
          { name: "read", label: text.read },
          { name: "written", label: text.written },
        ])}
      </div>
    </>
  );
}

export function Servers() {
  const { page } = useStore(route);
  const only = useOnly();
  const encoded = page.split("/")[1] ?? "";
  let id = "";
  try {
    id = decodeURIComponent(encoded);
  } catch {
    id = "";
  }
  return id && plainId(id) ? <Detail key={id} id={id} only={only} /> : <List only={only} />;
}
