/** Rules that the caller may see, and their alerts. */

import { useState } from "preact/hooks";

import { rules, type Alert, type Rule, type RuleGroup } from "../api/prometheus";
import { parseValue } from "../api/results";
import { now } from "../api/session";
import { contains, formatNumber } from "../lib/format";
import type { Labels } from "../lib/labels";
import { exploreLink } from "../lib/state";
import { formatAgo, formatDuration } from "../lib/time";
import { texts } from "../texts";
import { ListPage } from "../ui/list-page";
import { useLoad } from "../ui/load";
import { Choice, Empty, Foreign, Notice, Pairs } from "../ui/widgets";

const text = texts.alerts;

type Filter = "all" | "firing" | "pending" | "inactive" | "recording";

function stateOf(rule: Rule): Exclude<Filter, "all"> {
  if (rule.type === "recording") return "recording";
  return rule.state === "firing" || rule.state === "pending" ? rule.state : "inactive";
}

const KINDS: Readonly<Record<Exclude<Filter, "all">, string>> = { firing: "bad", pending: "warn", inactive: "ok", recording: "" };

function Annotations({ annotations }: { annotations: Labels }) {
  return (
    <dl class="annotations">
      {Object.entries(annotations).map(([name, value]) => (
        <div key={name}>
          <dt class="muted">
            <Foreign text={name} limit={60} />
          </dt>
          <dd>
            <Foreign text={value} limit={600} />
          </dd>
        </div>
      ))}
    </dl>
  );
}

function AlertRow({ alert }: { alert: Alert }) {
  const since = formatAgo(alert.activeAt, now());
  // Of an operator's rule, the gateway passes on no value.
  const value = parseValue(alert.value);
  const kind = alert.state === "firing" ? "bad" : "warn";
  return (
    <li class="alert">
      <div class="rule-head">
        <span class={`state ${kind}`}>{alert.state === "firing" ? text.firing : text.pending}</span>
        {since ? <span class="muted">{text.since(since)}</span> : null}
        {Number.isNaN(value) ? null : (
          <span>
            {text.value} <strong>{formatNumber(value)}</strong>
          </span>
        )}
      </div>
      <Pairs labels={alert.labels} />
      <Annotations annotations={alert.annotations} />
    </li>
  );
}

function RuleRow({ rule }: { rule: Rule }) {
  const state = stateOf(rule);
  const evaluated = formatAgo(rule.lastEvaluation, now());
  return (
    <article class="rule">
      <div class="rule-head">
        <span class={`state ${rule.health === "err" ? "warn" : KINDS[state]}`}>{text[state]}</span>
        <h3>
          <Foreign text={rule.name} limit={200} />
        </h3>
        {rule.duration ? <span class="muted">{text.waits(formatDuration(rule.duration))}</span> : null}
        {evaluated ? <span class="muted">{text.lastEvaluation(evaluated)}</span> : null}
        {rule.query ? (
          <a class="button small" href={exploreLink([rule.query])}>
            {text.explore}
          </a>
        ) : null}
      </div>
      {rule.query ? (
        <code class="rule-query">
          <Foreign text={rule.query} limit={2000} />
        </code>
      ) : (
        <p class="hint">{text.operators}</p>
      )}
      {rule.labels === undefined ? null : <Pairs labels={rule.labels} />}
      {rule.type === "alerting" && rule.annotations && !rule.alerts?.length ? <Annotations annotations={rule.annotations} /> : null}
      {rule.lastError ? (
        <Notice kind="error" title={text.error}>
          <Foreign text={rule.lastError} limit={600} />
        </Notice>
      ) : null}
      {rule.alerts?.length ? (
        <ul class="alert-list">
          {rule.alerts.map((alert, index) => (
            <AlertRow key={index} alert={alert} />
          ))}
        </ul>
      ) : null}
    </article>
  );
}

function matches(rule: Rule, group: RuleGroup, filter: Filter, search: string): boolean {
  if (filter !== "all" && stateOf(rule) !== filter) return false;
  return contains(`${rule.name} ${rule.query} ${group.name}`, search);
}

export function Alerts() {
  const [filter, setFilter] = useState<Filter>("all");
  const [search, setSearch] = useState("");
  const loaded = useLoad((signal) => rules({ signal }), []);
  const all = (loaded.data ?? []).flatMap((group) => group.rules);
  const count = (state: Filter) => all.filter((rule) => stateOf(rule) === state).length;
  const groups = (loaded.data ?? [])
    .map((group) => ({ ...group, rules: group.rules.filter((rule) => matches(rule, group, filter, search)) }))
    .filter((group) => group.rules.length > 0);
  return (
    <ListPage
      title={text.title}
      loaded={loaded}
      summary={text.counts(count("firing"), count("pending"), all.length)}
      all={all.length}
      found={groups.length}
      none={
        <Empty title={text.none}>
          <p>{text.noneHint}</p>
        </Empty>
      }
      noMatch={text.noMatch}
      search={{ label: text.search, value: search, onInput: setSearch }}
      filters={
        <Choice
          label={text.filter}
          hideLabel
          value={filter}
          options={[
            { value: "all", text: texts.all },
            { value: "firing", text: text.firing },
            { value: "pending", text: text.pending },
            { value: "inactive", text: text.inactive },
            { value: "recording", text: text.recording },
          ]}
          onChange={setFilter}
        />
      }
    >
      {groups.map((group) => (
        <section class="card rule-group" key={`${group.file} ${group.name}`}>
          <header>
            <h2>
              <Foreign text={group.name} limit={200} />
            </h2>
            <span class="muted">{text.every(formatDuration(group.interval))}</span>
          </header>
          {group.rules.map((rule, index) => (
            <RuleRow key={index} rule={rule} />
          ))}
        </section>
      ))}
    </ListPage>
  );
}
