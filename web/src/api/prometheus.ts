/** The endpoints of Prometheus' API that the page uses. */

import { api, apiData, type Call } from "./http";
import { parseAnswer, strings, type Answer } from "./results";
import type { Labels } from "../lib/labels";

export interface RangeQuery {
  query: string;
  start: number;
  end: number;
  step: number;
}

/** What a call is restricted to, and what ends it. */
export type Within = Pick<Call, "only" | "signal">;

export async function queryRange(query: RangeQuery, within: Within = {}): Promise<Answer> {
  const parameters = new URLSearchParams({
    query: query.query,
    start: String(query.start),
    end: String(query.end),
    step: String(query.step),
    stats: "true",
  });
  return parseAnswer(await api("/api/v1/query_range", { ...within, parameters }));
}

export async function queryInstant(query: string, time: number | null, within: Within = {}): Promise<Answer> {
  const parameters = new URLSearchParams({ query, stats: "true" });
  if (time !== null) parameters.set("time", String(time));
  return parseAnswer(await api("/api/v1/query", { ...within, parameters }));
}

export interface Explanation {
  endpoint: string;
  rule: string;
  unrestricted: boolean;
  label: string | null;
  values: string[];
  given: string;
  sent: string;
}

/** Asks what the gateway sends to Prometheus for a query. */
export async function explain(query: string, path: string, within: Within = {}): Promise<Explanation> {
  const data = (await apiData("/-/explain", { ...within, parameters: new URLSearchParams({ path, query }) })) as {
    endpoint: string;
    rule: string;
    unrestricted: boolean;
    label: string | null;
    values: string[];
    texts: { given: string; sent: string }[];
  };
  const { texts, ...rest } = data;
  return { ...rest, given: texts[0]?.given ?? query, sent: texts[0]?.sent ?? query };
}

export async function labelValues(label: string, call: Within & { match?: string; limit?: number } = {}): Promise<string[]> {
  const { match, limit, ...within } = call;
  const parameters = new URLSearchParams();
  if (match !== undefined) parameters.set("match[]", match);
  if (limit !== undefined) parameters.set("limit", String(limit));
  return strings(await apiData(`/api/v1/label/${encodeURIComponent(label)}/values`, { ...within, parameters }));
}

export async function labelNames(match?: string): Promise<string[]> {
  const parameters = new URLSearchParams(match === undefined ? {} : { "match[]": match });
  return strings(await apiData("/api/v1/labels", { parameters }));
}

export interface Metadata {
  type: string;
  help: string;
  unit?: string;
}

export async function metadata(): Promise<Record<string, Metadata[]>> {
  return ((await apiData("/api/v1/metadata")) ?? {}) as Record<string, Metadata[]>;
}

export interface Alert {
  labels: Labels;
  annotations: Labels;
  state: string;
  activeAt?: string;
  value: string;
}

export interface Rule {
  type: "alerting" | "recording";
  name: string;
  query: string;
  duration?: number;
  labels?: Labels;
  annotations?: Labels;
  alerts?: Alert[];
  health: string;
  lastError?: string;
  state?: string;
  evaluationTime?: number;
  lastEvaluation?: string;
}

export interface RuleGroup {
  name: string;
  file: string;
  interval: number;
  rules: Rule[];
}

export async function rules(call: Call = {}): Promise<RuleGroup[]> {
  return ((await apiData("/api/v1/rules", call)) as { groups?: RuleGroup[] } | null)?.groups ?? [];
}

export interface Target {
  labels: Labels;
  scrapePool: string;
  scrapeUrl?: string;
  lastError: string;
  lastScrape: string;
  lastScrapeDuration: number;
  health: string;
}

export async function targets(call: Call = {}): Promise<Target[]> {
  const parameters = new URLSearchParams({ state: "active" });
  return ((await apiData("/api/v1/targets", { ...call, parameters })) as { activeTargets?: Target[] } | null)?.activeTargets ?? [];
}
