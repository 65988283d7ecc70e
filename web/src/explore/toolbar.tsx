/** Range, end, resolution and refresh of all panels. */

import { useEffect, useId, useState } from "preact/hooks";

import type { Explore } from "../lib/state";
import type { Resolution } from "../lib/step";
import { formatDuration, formatTime, parseDuration, parseTime, type Zone } from "../lib/time";
import { texts } from "../texts";
import { Icon, Popover } from "../ui/widgets";

const RANGES = ["5m", "15m", "30m", "1h", "3h", "6h", "12h", "1d", "2d", "7d", "14d", "30d", "90d"];
const REFRESH = ["5s", "10s", "30s", "1m", "5m", "15m"];
const SECONDS = RANGES.map((range) => parseDuration(range) ?? 0);

interface EntryProps {
  label: string;
  value: string;
  width: number;
  /** Returns whether the text can be used. */
  onCommit: (text: string) => boolean;
  invalid: string;
}

/** A text field that is used on Enter or when it is left. */
function Entry({ label, value, width, onCommit, invalid }: EntryProps) {
  const [text, setText] = useState(value);
  const [wrong, setWrong] = useState(false);
  const id = useId();
  useEffect(() => {
    setText(value);
    setWrong(false);
  }, [value]);
  const commit = () => {
    setWrong(text !== value && !onCommit(text));
  };
  return (
    <>
      <input
        class="entry"
        style={{ width: `${width}ch` }}
        aria-label={label}
        aria-invalid={wrong ? "true" : undefined}
        aria-describedby={wrong ? id : undefined}
        title={label}
        value={text}
        spellcheck={false}
        onInput={(event) => setText(event.currentTarget.value)}
        onBlur={commit}
        onKeyDown={(event) => {
          if (event.key === "Enter") commit();
          if (event.key === "Escape") {
            setText(value);
            setWrong(false);
          }
        }}
      />
      {wrong ? (
        <p class="entry-error" id={id} role="alert">
          {invalid}
        </p>
      ) : null}
    </>
  );
}

interface ToolbarProps {
  state: Explore;
  end: number;
  zone: Zone;
  loading: boolean;
  onChange: (change: Partial<Explore>) => void;
  onRefresh: () => void;
}

export function Toolbar({ state, end, zone, loading, onChange, onRefresh }: ToolbarProps) {
  const text = texts.explore;
  const move = (direction: number) => onChange({ end: Math.round(end + (direction * state.range) / 2) });
  const fixed = state.step !== null;
  return (
    <div class="toolbar" role="group" aria-label={text.range}>
      <div class="group">
        <button
          type="button"
          class="button square"
          aria-label={text.shorter}
          title={text.shorter}
          onClick={() => onChange({ range: SECONDS.filter((range) => range < state.range).at(-1) ?? state.range })}
        >
          <Icon name="minus" />
        </button>
        <Entry
          label={text.range}
          value={formatDuration(state.range)}
          width={7}
          invalid={text.rangeInvalid}
          onCommit={(value) => {
            const range = parseDuration(value);
            if (range === null || range < 10) return false;
            onChange({ range });
            return true;
          }}
        />
        <Popover label={text.ranges} class="button square" align="left" button={<Icon name="chevron" />}>
          {(close) => (
            <ul class="menu-list columns">
              {RANGES.map((range, index) => (
                <li key={range}>
                  <button
                    type="button"
                    class="menu-item"
                    aria-current={SECONDS[index] === state.range ? "true" : undefined}
                    onClick={() => {
                      onChange({ range: SECONDS[index] ?? state.range });
                      close();
                    }}
                  >
                    {range}
                  </button>
                </li>
              ))}
            </ul>
          )}
        </Popover>
        <button
          type="button"
          class="button square"
          aria-label={text.longer}
          title={text.longer}
          onClick={() => onChange({ range: SECONDS.find((range) => range > state.range) ?? state.range })}
        >
          <Icon name="add" />
        </button>
      </div>
      <div class="group">
        <button type="button" class="button square" aria-label={text.earlier} title={text.earlier} onClick={() => move(-1)}>
          <Icon name="left" />
        </button>
        <Entry
          label={text.end}
          value={state.end === null ? text.now : formatTime(state.end, zone)}
          width={21}
          invalid={text.endInvalid}
          onCommit={(value) => {
            if (value.trim().toLowerCase() === "now") {
              onChange({ end: null });
              return true;
            }
            const time = parseTime(value, zone);
            if (time !== null) onChange({ end: time });
            return time !== null;
          }}
        />
        <button type="button" class="button square" aria-label={text.later} title={text.later} disabled={state.end === null} onClick={() => move(1)}>
          <Icon name="right" />
        </button>
        {state.end === null ? null : (
          <button
            type="button"
            class="button"
            onClick={(event) => {
              // This button goes.
              event.currentTarget.parentElement?.querySelector("input")?.focus();
              onChange({ end: null });
            }}
          >
            {text.now}
          </button>
        )}
      </div>
      <div class="group">
        <select
          aria-label={text.resolution}
          title={text.resolution}
          value={fixed ? "fixed" : state.resolution}
          onChange={(event) => {
            const value = event.currentTarget.value;
            if (value === "fixed") onChange({ step: 60 });
            else onChange({ step: null, resolution: value as Resolution });
          }}
        >
          {(["low", "medium", "high", "fixed"] as const).map((value) => (
            <option key={value} value={value}>
              {text.resolutions[value]}
            </option>
          ))}
        </select>
        {fixed ? (
          <Entry
            label={text.step}
            value={formatDuration(state.step ?? 60)}
            width={7}
            invalid={text.stepInvalid}
            onCommit={(value) => {
              const step = parseDuration(value);
              if (step !== null) onChange({ step });
              return step !== null;
            }}
          />
        ) : null}
      </div>
      <div class="group">
        <button type="button" class="button" onClick={onRefresh} aria-label={text.refresh}>
          <span class={loading ? "spin" : ""}>
            <Icon name="refresh" />
          </span>
          <span class="wide-only">{text.refresh}</span>
        </button>
        <select
          aria-label={text.refreshEvery}
          title={text.refreshEvery}
          value={state.refresh > 0 ? formatDuration(state.refresh) : ""}
          onChange={(event) => onChange({ refresh: parseDuration(event.currentTarget.value) ?? 0 })}
        >
          <option value="">{text.refreshOff}</option>
          {[...new Set([...REFRESH, ...(state.refresh > 0 ? [formatDuration(state.refresh)] : [])])].map((value) => (
            <option key={value} value={value}>
              {text.refreshOn(value)}
            </option>
          ))}
        </select>
      </div>
    </div>
  );
}
