/** A graph of series over time, drawn by uPlot. */

import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";

import { formatAxis, formatValue, scaleOf, visible, type Unit } from "../lib/format";
import { axisLabels, formatTime, type Zone } from "../lib/time";

export interface Line {
  name: string;
  color: string;
  values: (number | null)[];
}

export interface GraphProps {
  label: string;
  times: number[];
  lines: readonly Line[];
  /** The whole range: also what has no samples. */
  from: number;
  to: number;
  stacked?: boolean;
  /** Whether the axis of values contains zero. */
  fromZero?: boolean;
  unit?: Unit;
  zone: Zone;
  dark: boolean;
  height: number;
  /** Graphs with the same key share the cursor. */
  sync?: string;
  onZoom?: (from: number, to: number) => void;
  onZoomOut?: () => void;
  /** Gets the canvas, for the download of a picture. */
  onCanvas?: (canvas: HTMLCanvasElement | null) => void;
}

/** With more lines than this, the line at the cursor is not highlighted: each move would draw all lines. */
const MAX_HIGHLIGHT = 100;

/** With more lines than this, lines are as thin as possible. */
const MAX_WIDE = 20;

/** Returns the steps of an axis whose labels are round: `1.05 GiB` is not a round number of bytes. */
function roundSteps(unit: Unit, most: number): number[] {
  const { size } = scaleOf(most, unit);
  return Array.from({ length: 24 }, (_, power) => [1, 2, 5].map((digit) => digit * 10 ** (power - 12) * size)).flat();
}

/** Returns the range of the axis of values. */
export function valueRange(min: number, max: number, fromZero: boolean): uPlot.Range.MinMax {
  return fromZero ? uPlot.rangeNum(Math.min(0, min), Math.max(0, max), 0.1, true) : uPlot.rangeNum(min, max, 0.1, true);
}

/** Returns the pixels that a label of the time axis needs: in a short range it has seconds. */
export function timeSpace(seconds: number): number {
  return seconds < 900 ? 76 : 50;
}

const FONT = '12px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';

/** Returns the cumulative sums of the lines. */
export function stack(lines: readonly (readonly (number | null)[])[]): (number | null)[][] {
  const sums: number[] = [];
  return lines.map((values) =>
    values.map((value, index) => {
      sums[index] = (sums[index] ?? 0) + (value ?? 0);
      return value === null ? null : sums[index];
    }),
  );
}

/** Returns the samples with a gap on both sides: a line does not show them. */
function isolated(values: ArrayLike<number | null | undefined>): number[] {
  const found: number[] = [];
  for (let index = 0; index < values.length; index++) {
    if (values[index] != null && values[index - 1] == null && values[index + 1] == null) found.push(index);
  }
  return found;
}

/** A box beside the cursor with the time, the value and the name of the nearest line. */
function tooltip(lines: readonly Line[], unit: Unit, zone: Zone): uPlot.Plugin {
  const box = document.createElement("div");
  box.className = "tooltip";
  const time = document.createElement("div");
  time.className = "tooltip-time";
  const row = document.createElement("div");
  row.className = "tooltip-row";
  const dot = document.createElement("span");
  dot.className = "dot";
  const value = document.createElement("strong");
  const name = document.createElement("bdi");
  name.className = "tooltip-name";
  row.append(dot, value);
  box.append(time, row, name);
  box.hidden = true;
  let focused: number | null = null;

  function update(plot: uPlot): void {
    const { idx, left = -1, top = -1 } = plot.cursor;
    if (idx == null || left < 0) {
      box.hidden = true;
      return;
    }
    let index = focused;
    if (index === null || plot.data[index]?.[idx] == null) {
      // The nearest line at this time.
      index = null;
      let nearest = Infinity;
      for (let at = 1; at < plot.data.length; at++) {
        const point = plot.data[at]?.[idx];
        if (point == null) continue;
        const distance = Math.abs(plot.valToPos(point, "y") - top);
        if (distance < nearest) {
          nearest = distance;
          index = at;
        }
      }
    }
    box.hidden = false;
    time.textContent = formatTime(plot.data[0][idx] ?? 0, zone);
    const line = index === null ? undefined : lines[index - 1];
    const point = line?.values[idx];
    row.hidden = name.hidden = line === undefined || point == null;
    if (line !== undefined && point != null) {
      dot.style.background = line.color;
      value.textContent = formatValue(point, unit);
      name.textContent = visible(line.name);
    }
    const width = plot.over.clientWidth;
    const boxWidth = box.offsetWidth;
    const x = left + 16 + boxWidth > width ? Math.max(0, left - boxWidth - 16) : left + 16;
    box.style.transform = `translate(${x}px, ${Math.max(0, Math.min(top + 8, plot.over.clientHeight - box.offsetHeight))}px)`;
  }

  return {
    hooks: {
      init: (plot) => plot.over.append(box),
      setCursor: update,
      setSeries: (_, index) => {
        focused = index;
      },
    },
  };
}

function options(props: GraphProps, width: number): uPlot.Options {
  const { lines, zone, dark, height, unit = "number", stacked = false, fromZero = false } = props;
  const text = dark ? "#9aa7b8" : "#586474";
  const lineColor = dark ? "#2a3340" : "#e4e8ee";
  const highlight = lines.length > 1 && lines.length <= MAX_HIGHLIGHT;
  const axis: uPlot.Axis = {
    font: FONT,
    stroke: text,
    grid: { stroke: lineColor, width: 1 },
    ticks: { show: false },
  };
  return {
    width,
    height,
    padding: [10, 22, 0, 0],
    tzDate: (time) => (zone === "utc" ? uPlot.tzDate(new Date(time * 1000), "Etc/UTC") : new Date(time * 1000)),
    legend: { show: false },
    focus: { alpha: highlight ? 0.25 : 1 },
    cursor: {
      drag: { x: true, y: false, setScale: false },
      points: { one: true, size: 8, width: 2 },
      focus: { prox: highlight ? 24 : -1 },
      bind: {
        dblclick: () => () => {
          props.onZoomOut?.();
          return null;
        },
      },
      ...(props.sync === undefined ? {} : { sync: { key: props.sync, scales: ["x", null] } }),
    },
    scales: {
      x: { time: true, range: () => [props.from, Math.max(props.to, props.from + 1)] },
      y: {
        range: (_, min, max) => valueRange(min, max, stacked || fromZero),
      },
    },
    axes: [
      { ...axis, values: (_, splits, __, ___, increment) => axisLabels(splits, increment, zone), size: 44, gap: 8, space: (_, __, from, to) => timeSpace(to - from) },
      {
        ...axis,
        values: (_, splits, __, ___, increment) => formatAxis(splits, increment, unit),
        ...(unit === "number" || unit === "cores"
          ? {}
          : { incrs: (_: uPlot, __: number, min: number, max: number) => roundSteps(unit, Math.max(Math.abs(min), Math.abs(max))) }),
        size: (_, values) => 24 + Math.max(...((values as string[] | null) ?? [""]).map((value) => value.length)) * 7,
        gap: 8,
      },
    ],
    series: [
      {},
      ...lines.map(
        (line): uPlot.Series => ({
          stroke: line.color,
          // Browsers draw lines of one pixel much faster.
          width: lines.length > MAX_WIDE ? 1 / devicePixelRatio : 1.5,
          ...(stacked ? { fill: `${line.color}66` } : {}),
          points: {
            size: 4,
            fill: line.color,
            filter: (plot, index, show) => (show ? null : isolated(plot.data[index] ?? [])),
          },
        }),
      ),
    ],
    // The area of each line ends at the line below it.
    ...(stacked ? { bands: lines.slice(1).map((_, index) => ({ series: [index + 2, index + 1] as [number, number] })) } : {}),
    hooks: {
      setSelect: [
        (plot) => {
          const { left, width: selected } = plot.select;
          if (selected < 4) return;
          const from = plot.posToVal(left, "x");
          const to = plot.posToVal(left + selected, "x");
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          props.onZoom?.(from, to);
        },
      ],
    },
    plugins: [tooltip(lines, unit, zone)],
  };
}

export default function Graph(props: GraphProps) {
  const { times, lines, from, to, stacked = false, unit, zone, dark, height, sync } = props;
  const host = useRef<HTMLDivElement>(null);
  const latest = useRef(props);
  latest.current = props;

  useEffect(() => {
    const element = host.current;
    if (element === null) return undefined;
    const columns = lines.map((line) => line.values);
    const data = [times, ...(stacked ? stack(columns) : columns)] as uPlot.AlignedData;
    const current: GraphProps = {
      ...props,
      onZoom: (start, end) => latest.current.onZoom?.(start, end),
      onZoomOut: () => latest.current.onZoomOut?.(),
    };
    const plot = new uPlot(options(current, element.clientWidth || 600), data, element);
    latest.current.onCanvas?.(plot.ctx.canvas);
    const observer = new ResizeObserver(() => {
      if (element.clientWidth > 0) plot.setSize({ width: element.clientWidth, height });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      latest.current.onCanvas?.(null);
      plot.destroy();
    };
  }, [times, lines, from, to, stacked, unit, zone, dark, height, sync]);

  // The height is kept while there is no plot, so that what is below stays in its place.
  return <div class="graph" ref={host} role="img" aria-label={props.label} style={{ minHeight: `${height}px` }} />;
}
