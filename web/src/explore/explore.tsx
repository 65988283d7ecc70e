/** Explore: queries with graphs and tables over one range of time. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";

import { ended } from "../api/http";
import { now, state as session } from "../api/session";
import { forgetCompletions } from "../editor/client";
import { remember } from "../lib/history";
import { emptyPanel, formatExplore, formatRoute, MAX_PANELS, parseExplore, type Explore as State, type Panel } from "../lib/state";
import { useStore } from "../lib/store";
import { navigate, route } from "../route";
import { ScopeSelector, useOnly } from "../scope";
import { settings } from "../settings";
import { texts } from "../texts";
import { Copy, Icon } from "../ui/widgets";
import { PanelView } from "./panel";
import { Toolbar } from "./toolbar";

export function Explore() {
  const text = texts.explore;
  const { parameters } = useStore(route);
  const { zone } = useStore(settings);
  const current = useStore(session);
  const user = current.kind === "active" ? current.session.user.id : "";
  const address = parameters.toString();
  const state = useMemo(() => parseExplore(parameters), [address]);
  const only = useOnly();
  const [clock, setClock] = useState(now);
  const [run, setRun] = useState(0);
  const [automatic, setAutomatic] = useState(false);
  const [busy, setBusy] = useState<ReadonlySet<number>>(new Set());
  const isBusy = useRef(false);
  isBusy.current = busy.size > 0;
  // Keys that stay with their panels when one before them is removed.
  const keys = useRef<number[]>([]);
  const nextKey = useRef(0);
  while (keys.current.length < state.panels.length) keys.current.push(nextKey.current++);
  keys.current.length = state.panels.length;

  useEffect(() => forgetCompletions, []);

  const changed = (change: Partial<State>) => {
    const next = formatExplore({ ...parseExplore(route.get().parameters), ...change });
    const only = route.get().parameters.get("only");
    if (only !== null) next.set("only", only);
    return next;
  };
  const update = (change: Partial<State>, replace = false) => navigate("explore", changed(change), replace);
  const updatePanel = (index: number, change: Partial<Panel>, replace: boolean) => {
    const { panels } = parseExplore(route.get().parameters);
    update({ panels: panels.map((panel, at) => (at === index ? { ...panel, ...change } : panel)) }, replace);
  };
  const refresh = (byTimer = false) => {
    setAutomatic(byTimer);
    setClock(now());
    setRun((count) => count + 1);
  };

  useEffect(() => {
    if (state.refresh <= 0) return undefined;
    const timer = setInterval(() => {
      // A query that takes longer than the interval must be able to end.
      if (document.visibilityState === "visible" && !isBusy.current && !ended.get()) refresh(true);
    }, state.refresh * 1000);
    return () => clearInterval(timer);
  }, [state.refresh]);

  const end = state.end ?? clock;
  return (
    <div class="explore">
      <h1 class="hidden">{text.title}</h1>
      <div class="explore-bar">
        <ScopeSelector />
        <Toolbar
          state={state}
          end={end}
          zone={zone}
          loading={busy.size > 0}
          onChange={(change) => update(change)}
          onRefresh={() => refresh()}
        />
      </div>
      {state.panels.map((panel, index) => {
        const key = keys.current[index] ?? index;
        return (
          <PanelView
            key={key}
            number={index + 1}
            panel={panel}
            range={state.range}
            end={end}
            fixedEnd={state.end}
            step={state.step}
            resolution={state.resolution}
            only={only}
            run={run}
            automatic={automatic}
            user={user}
            onChange={(change) => updatePanel(index, change, true)}
            onRun={(query) => {
              remember(user, query, now());
              if (query === panel.query) refresh();
              else {
                setAutomatic(false);
                if (state.end === null) setClock(now());
                updatePanel(index, { query, hidden: [], shown: [] }, false);
              }
            }}
            onZoom={(from, to) => update({ end: Math.round(to), range: Math.max(10, Math.round(to - from)) })}
            onZoomOut={() => update({ end: state.end === null ? null : Math.round(state.end + state.range / 2), range: state.range * 2 })}
            onDuplicate={() => {
              if (state.panels.length >= MAX_PANELS) return;
              keys.current.splice(index + 1, 0, nextKey.current++);
              update({ panels: state.panels.toSpliced(index + 1, 0, panel) });
            }}
            onRemove={
              state.panels.length === 1
                ? null
                : () => {
                    keys.current.splice(index, 1);
                    update({ panels: state.panels.toSpliced(index, 1) });
                    document.getElementById("content")?.focus();
                  }
            }
            onLoading={(loading) =>
              setBusy((before) => {
                const after = new Set(before);
                if (loading) after.add(key);
                else after.delete(key);
                return after;
              })
            }
          />
        );
      })}
      <div class="buttons">
        <button
          type="button"
          class="button"
          disabled={state.panels.length >= MAX_PANELS}
          title={state.panels.length >= MAX_PANELS ? text.panelLimit(MAX_PANELS) : undefined}
          onClick={() => update({ panels: [...state.panels, emptyPanel()] })}
        >
          <Icon name="add" />
          {text.add}
        </button>
        <Copy text={location.href} label={text.copyLink} small={false} />
        {state.end === null ? (
          <Copy text={new URL(formatRoute("explore", changed({ end, refresh: 0 })), location.href).href} label={text.copyTimes} small={false} />
        ) : null}
      </div>
    </div>
  );
}
