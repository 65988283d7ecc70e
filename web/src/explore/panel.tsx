/** One query with its graph and table. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";

import { queryInstant, queryRange } from "../api/prometheus";
import { ApiError, apiData } from "../api/http";
import { onGrid, type Answer, type Result, type Stats } from "../api/results";
import { LazyGraph } from "../graph/lazy";
import { seriesColor } from "../graph/palette";
import { picture } from "../graph/picture";
import { toCsv } from "../lib/csv";
import { download, fileName } from "../lib/download";
import { formatValue } from "../lib/format";
import { seriesKey, seriesName, shortName, tellingLabels } from "../lib/labels";
import type { Panel, View } from "../lib/state";
import { autoStep, grid, type Grid, type Resolution } from "../lib/step";
import { useStore } from "../lib/store";
import { formatDuration, formatTime } from "../lib/time";
import { dark, settings } from "../settings";
import { texts } from "../texts";
import { Failure, useLoad } from "../ui/load";
import { Dialog, Empty, Foreign, Icon, Notice, Popover, Skeleton } from "../ui/widgets";
import { EditorBox, type Given } from "./editor-box";
import { HistoryDialog } from "./history";
import { Legend, summary, type Entry } from "./legend";
import { MetricList } from "./metrics";
import { Sent } from "./sent";
import { ResultTable } from "./table";

/** A graph draws this many series of an answer. */
export const MAX_SERIES = 1000;

const GRAPH_HEIGHT = 300;
const NOT_FINITE = /^(NaN|[+-]?Inf)$/;

interface Loaded {
  answer: Answer;
  grid: Grid | null;
  /** Seconds from the request to the answer. */
  took: number;
}

export interface PanelProps {
  number: number;
  panel: Panel;
  range: number;
  end: number;
  /** The end as it is in the address: null follows the clock. */
  fixedEnd: number | null;
  step: number | null;
  resolution: Resolution;
  /** The chosen project; null for all. */
  only: string | null;
  /** Increases when all panels are to run again. */
  run: number;
  /** Whether the last run was an automatic refresh, which screen readers do not announce. */
  automatic: boolean;
  user: string;
  onChange: (change: Partial<Panel>) => void;
  onRun: (query: string) => void;
  onZoom: (from: number, to: number) => void;
  onZoomOut: () => void;
  onDuplicate: () => void;
  onRemove: (() => void) | null;
  onLoading: (loading: boolean) => void;
}

interface StatisticsProps {
  count: number;
  stats: Stats | null;
  took: number;
  step: number | null;
  announce: boolean;
}

function Statistics({ count, stats, took, step, announce }: StatisticsProps) {
  const text = texts.explore.stats;
  const seconds = (value: number) => formatValue(value, "seconds");
  const items = [
    text.series(count),
    ...(step === null ? [] : [texts.explore.stepOf(formatDuration(step))]),
    ...(stats?.seconds == null ? [] : [text.seconds(seconds(stats.seconds))]),
    text.total(seconds(took)),
    ...(stats?.samples == null ? [] : [text.samples(stats.samples)]),
    ...(stats?.peak == null ? [] : [text.peak(stats.peak)]),
  ];
  return (
    <p class="stats" role="status" aria-live={announce ? "polite" : "off"}>
      {items.map((item) => (
        <span key={item}>{item}</span>
      ))}
    </p>
  );
}

interface GraphPanelProps {
  result: Result;
  grid: Grid;
  panel: Panel;
  onChange: (change: Partial<Panel>) => void;
  onZoom: (from: number, to: number) => void;
  onZoomOut: () => void;
  onCanvas: (canvas: HTMLCanvasElement | null, entries: Entry[]) => void;
}

function GraphPanel({ result, grid: times, panel, onChange, onZoom, onZoomOut, onCanvas }: GraphPanelProps) {
  const text = texts.explore;
  const { zone } = useStore(settings);
  const isDark = useStore(dark);
  const all = useMemo(() => {
    const count = Math.round((times.end - times.start) / times.step) + 1;
    const xs = Array.from({ length: count }, (_, index) => times.start + index * times.step);
    const series = result.kind === "matrix" ? result.series.slice(0, MAX_SERIES) : [];
    const telling = new Set(tellingLabels(series.map((one) => one.labels)));
    const rows = series.map((one, index) => ({
      key: seriesKey(one.labels),
      name: series.length > 1 ? shortName(one.labels, telling) : seriesName(one.labels),
      full: seriesName(one.labels),
      color: seriesColor(index, isDark),
      values: onGrid(one, times.start, times.step, count),
    }));
    const undrawn = series.filter((one) => one.texts.every((value) => NOT_FINITE.test(value))).length;
    return { xs, rows, undrawn, entries: rows.map(({ values, ...rest }): Entry => ({ ...rest, ...summary(values) })) };
  }, [result, times, isDark]);
  const hidden = useMemo(() => {
    const shown = new Set(panel.shown);
    return new Set(shown.size === 0 ? panel.hidden : all.rows.map(({ key }) => key).filter((key) => !shown.has(key)));
  }, [all, panel.hidden.join(), panel.shown.join()]);
  const hide = (keys: string[]) => {
    // The address gets the shorter list.
    const shown = all.rows.map(({ key }) => key).filter((key) => !keys.includes(key));
    const few = shown.length > 0 && shown.length < keys.length;
    onChange(few ? { hidden: [], shown } : { hidden: keys, shown: [] });
  };
  const lines = useMemo(() => all.rows.filter((row) => !hidden.has(row.key)), [all, hidden]);

  if (result.kind !== "matrix") return <Notice kind="info">{text.scalarGraph}</Notice>;
  if (result.series.length === 0) {
    return (
      <Empty title={text.noSeries}>
        <p>{text.noSeriesHint}</p>
      </Empty>
    );
  }
  return (
    <>
      {result.series.length > MAX_SERIES ? <Notice kind="warning">{text.tooMany(MAX_SERIES, result.series.length)}</Notice> : null}
      {result.histograms > 0 ? <Notice kind="info">{text.histograms(result.histograms)}</Notice> : null}
      {all.undrawn > 0 ? <Notice kind="info">{text.undrawn(all.undrawn)}</Notice> : null}
      {times.raised ? <Notice kind="info">{text.raised(formatDuration(times.step))}</Notice> : null}
      {all.entries.every((entry) => entry.last === null) ? null : (
        <LazyGraph
          label={`${text.graphLabel(text.stats.series(lines.length), formatTime(times.start, zone), formatTime(times.end, zone))} ${text.graphList}`}
          times={all.xs}
          lines={lines}
          from={times.start}
          to={times.end}
          stacked={panel.stacked}
          zone={zone}
          dark={isDark}
          height={GRAPH_HEIGHT}
          sync="explore"
          onZoom={onZoom}
          onZoomOut={onZoomOut}
          onCanvas={(canvas) => onCanvas(canvas, all.entries.filter((entry) => !hidden.has(entry.key)))}
        />
      )}
      <Legend entries={all.entries} hidden={hidden} onHidden={hide} />
    </>
  );
}

export function PanelView(props: PanelProps) {
  const { number, panel, range, end, step, resolution, only, run } = props;
  const text = texts.explore;
  const { zone } = useStore(settings);
  const [draft, setDraft] = useState(panel.query);
  const typed = useRef(draft);
  typed.current = draft;
  const [given, setGiven] = useState<Given>({ text: panel.query });
  /** The query that this panel has put into the address. */
  const own = useRef(panel.query);
  const [dialog, setDialog] = useState<"history" | "metrics" | null>(null);
  const body = useRef<HTMLDivElement>(null);
  const canvas = useRef<{ canvas: HTMLCanvasElement | null; entries: Entry[] }>({ canvas: null, entries: [] });

  const give = (text: string) => {
    setDraft(text);
    setGiven({ text });
  };
  useEffect(() => {
    if (panel.query !== own.current) give(panel.query);
    own.current = panel.query;
  }, [panel.query]);

  const empty = !panel.query.trim();
  const view: View = panel.view;
  const loaded = useLoad<Loaded | null>(
    async (signal) => {
      if (empty) return null;
      const started = performance.now();
      const width = body.current?.clientWidth ?? 800;
      const times = view === "graph" ? grid(end, range, step ?? autoStep(range, width, resolution)) : null;
      const answer =
        times === null
          ? await queryInstant(panel.query, props.fixedEnd === null ? null : end, { only, signal })
          : await queryRange({ query: panel.query, start: times.start, end: times.end, step: times.step }, { only, signal });
      return { answer, grid: times, took: (performance.now() - started) / 1000 };
    },
    [panel.query, view, only],
    [range, end, step, resolution, run],
  );
  const { data: answer, error, loading } = loaded;
  useEffect(() => {
    props.onLoading(loading);
    return () => props.onLoading(false);
  }, [loading]);

  // What had the focus is gone: the list of metrics, or the button that cancels.
  const focusView = () => document.getElementById(`tab-${number}-${view}`)?.focus();
  const wasEmpty = useRef(empty);
  useEffect(() => {
    if (wasEmpty.current && !empty && document.activeElement === document.body) focusView();
    wasEmpty.current = empty;
  }, [empty]);

  const runQuery = (query: string) => {
    own.current = query;
    props.onRun(query);
  };
  const choose = (query: string) => {
    setDialog(null);
    give(query);
    runQuery(query);
  };
  const format = async () => {
    try {
      const formatted = await apiData("/api/v1/format_query", { parameters: new URLSearchParams({ query: draft }) });
      if (typeof formatted === "string" && typed.current === draft) give(formatted);
    } catch (error) {
      // The answer to the query shows what is wrong with it.
      if (error instanceof ApiError && error.status === 400 && typed.current === draft) runQuery(draft);
    }
  };
  const savePicture = async () => {
    const { canvas: graph, entries } = canvas.current;
    if (graph === null) return;
    const blob = await picture(graph, panel.query, entries, dark.get());
    if (blob !== null) download(fileName(panel.query, "png"), blob, "image/png");
  };

  const count =
    answer === null
      ? 0
      : answer.answer.result.kind === "matrix"
        ? answer.answer.result.series.length
        : answer.answer.result.kind === "vector"
          ? answer.answer.result.samples.length
          : 1;
  const changed = draft !== panel.query;
  return (
    <section class="panel" aria-label={text.panel(number)}>
      <div class="query-row">
        <EditorBox
          given={given}
          label={`${text.query} ${number}`}
          focus={!panel.query}
          onChange={setDraft}
          onRun={() => runQuery(draft)}
        />
        <div class="query-buttons">
          <button type="button" class={`button ${changed || empty ? "primary" : ""}`} onClick={() => runQuery(draft)}>
            <Icon name="play" />
            {text.run}
          </button>
          <button type="button" class="button square" aria-label={text.history} title={text.history} onClick={() => setDialog("history")}>
            <Icon name="clock" />
          </button>
          <button type="button" class="button square" aria-label={text.metrics} title={text.metrics} onClick={() => setDialog("metrics")}>
            <Icon name="list" />
          </button>
          <Popover label={text.actions} class="button square" button={<Icon name="more" />}>
            {(close) => {
              const item = (label: string, act: () => void, disabled = false) => (
                <li key={label}>
                  <button
                    type="button"
                    class="menu-item"
                    disabled={disabled}
                    onClick={() => {
                      close();
                      act();
                    }}
                  >
                    {label}
                  </button>
                </li>
              );
              return (
                <ul class="menu-list">
                  {item(text.format, () => void format(), !draft.trim())}
                  {item(text.csv, () => answer && download(fileName(panel.query, "csv"), toCsv(answer.answer.result), "text/csv;charset=utf-8"), answer === null)}
                  {item(text.json, () => answer && download(fileName(panel.query, "json"), JSON.stringify(answer.answer.body, null, 1), "application/json"), answer === null)}
                  {item(text.png, () => void savePicture(), answer === null || view !== "graph")}
                  {item(text.duplicate, props.onDuplicate)}
                  {props.onRemove === null ? null : item(text.remove, props.onRemove)}
                </ul>
              );
            }}
          </Popover>
        </div>
      </div>
      <div class={`panel-body ${loading && answer !== null ? "loading" : ""}`} ref={body} aria-busy={loading}>
        {loading && !empty ? (
          <>
            <div class="progress" />
            <button
              type="button"
              class="button cancel"
              onClick={() => {
                loaded.cancel();
                focusView();
              }}
            >
              <Icon name="stop" />
              {text.cancel}
            </button>
          </>
        ) : null}
        {empty ? null : (
          <div class="panel-head">
            <div class="tabs" role="tablist" aria-label={text.view}>
              {(["graph", "table"] as const).map((name) => (
                <button
                  key={name}
                  type="button"
                  role="tab"
                  id={`tab-${number}-${name}`}
                  aria-selected={view === name}
                  aria-controls={`view-${number}`}
                  tabIndex={view === name ? 0 : -1}
                  onClick={() => props.onChange({ view: name })}
                  onKeyDown={(event) => {
                    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
                    const other = name === "graph" ? "table" : "graph";
                    props.onChange({ view: other });
                    document.getElementById(`tab-${number}-${other}`)?.focus();
                  }}
                >
                  {text[name]}
                </button>
              ))}
            </div>
            {view === "graph" ? (
              <label class="check">
                <input type="checkbox" checked={panel.stacked} onChange={(event) => props.onChange({ stacked: event.currentTarget.checked })} />
                {text.stacked}
              </label>
            ) : null}
            <label class="check">
              <input type="checkbox" checked={panel.sent} onChange={(event) => props.onChange({ sent: event.currentTarget.checked })} />
              {text.sent}
            </label>
            {answer === null ? null : (
              <Statistics count={count} stats={answer.answer.stats} took={answer.took} step={answer.grid?.step ?? null} announce={!props.automatic} />
            )}
          </div>
        )}
        {!empty && panel.sent ? (
          <Sent query={panel.query} path={view === "graph" ? "/api/v1/query_range" : "/api/v1/query"} only={only} />
        ) : null}
        <div id={`view-${number}`} role={empty ? undefined : "tabpanel"} aria-labelledby={empty ? undefined : `tab-${number}-${view}`}>
          {answer?.answer.warnings.map((warning) => (
            <Notice key={warning} kind="warning" title={text.warnings}>
              <p>
                <Foreign text={warning} limit={600} />
              </p>
            </Notice>
          ))}
          {answer?.answer.infos.map((info) => (
            <Notice key={info} kind="info" title={text.infos}>
              <p>
                <Foreign text={info} limit={600} />
              </p>
            </Notice>
          ))}
          {error !== null ? (
            <Failure error={error} onRetry={loaded.reload} />
          ) : empty ? (
            <MetricList only={only} begin onChoose={choose} />
          ) : answer === null && loading ? (
            <Skeleton rows={5} />
          ) : answer === null ? (
            <Notice kind="info" title={text.cancelled}>
              <button type="button" class="button small" onClick={loaded.reload}>
                {texts.retry}
              </button>
            </Notice>
          ) : answer.grid === null ? (
            <ResultTable result={answer.answer.result} zone={zone} />
          ) : (
            <GraphPanel
              result={answer.answer.result}
              grid={answer.grid}
              panel={panel}
              onChange={props.onChange}
              onZoom={props.onZoom}
              onZoomOut={props.onZoomOut}
              onCanvas={(graph, entries) => {
                canvas.current = { canvas: graph, entries };
              }}
            />
          )}
        </div>
      </div>
      {dialog === "history" ? <HistoryDialog user={props.user} onChoose={choose} onClose={() => setDialog(null)} /> : null}
      {dialog === "metrics" ? (
        <Dialog title={text.metrics} onClose={() => setDialog(null)}>
          <MetricList only={only} onChoose={choose} />
        </Dialog>
      ) : null}
    </section>
  );
}
