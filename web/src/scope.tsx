/** The project that a caller who sees all projects has chosen. */

import { useState } from "preact/hooks";

import { labelNames, labelValues } from "./api/prometheus";
import { state } from "./api/session";
import { route, navigate } from "./route";
import { useStore } from "./lib/store";
import { contains, visible } from "./lib/format";
import { texts } from "./texts";
import { CannotRestrict, Failure, useLoad } from "./ui/load";
import { Foreign, Icon, Popover, SearchBox, Skeleton } from "./ui/widgets";

export interface Matcher {
  label: string;
  value: string;
}

/** The labels that exporters give a project's series, the gateway's default first. */
const LABELS = ["project", "project_id", "tenant_id"];

const MAX_SHOWN = 100;

/** Returns the chosen project; null for all. */
export function matcherOf(parameters: URLSearchParams): Matcher | null {
  const [, label, value] = /^([^:]+):(.+)$/s.exec(parameters.get("only") ?? "") ?? [];
  return label === undefined || value === undefined ? null : { label, value };
}

/**
 * Returns the query for the chosen project.
 *
 * @throws CannotRestrict - the matcher cannot be added: the query would show all projects.
 */
export async function scoped(query: string, matcher: Matcher | null): Promise<string> {
  if (matcher === null) return query;
  const { addMatcher } = await import("./lib/matcher");
  const restricted = addMatcher(query, matcher.label, matcher.value);
  if (restricted === null) throw new CannotRestrict();
  return restricted;
}

/** Returns whether the caller sees all projects with queries. */
export function useSeesAll(): boolean {
  const current = useStore(state);
  return current.kind === "active" && current.access["telemetry:query"] === "all_projects";
}

/** Returns the project that the caller has chosen; null for all, and for callers who see only one. */
export function useMatcher(): Matcher | null {
  const { parameters } = useStore(route);
  return useSeesAll() ? matcherOf(parameters) : null;
}

async function loadProjects(): Promise<{ label: string; values: string[] } | null> {
  const names = new Set(await labelNames());
  const label = LABELS.find((name) => names.has(name));
  return label === undefined ? null : { label, values: await labelValues(label) };
}

function choose(matcher: Matcher | null): void {
  const { page, parameters } = route.get();
  const next = new URLSearchParams(parameters);
  if (matcher === null) next.delete("only");
  else next.set("only", `${matcher.label}:${matcher.value}`);
  navigate(page, next);
}

function Projects({ close }: { close: () => void }) {
  const [search, setSearch] = useState("");
  const { data, error, loading } = useLoad(() => loadProjects(), []);
  if (error !== null) return <Failure error={error} />;
  if (loading) return <Skeleton rows={3} />;
  if (data === null) return <p class="hint">{texts.scope.noLabel}</p>;
  const found = data.values.filter((value) => contains(value, search));
  return (
    <>
      <SearchBox label={texts.scope.search} value={search} onInput={setSearch} />
      <ul class="menu-list">
        <li>
          <button
            type="button"
            class="menu-item"
            onClick={() => {
              choose(null);
              close();
            }}
          >
            {texts.scope.all}
          </button>
        </li>
        {found.slice(0, MAX_SHOWN).map((value) => (
          <li key={value}>
            <button
              type="button"
              class="menu-item mono"
              onClick={() => {
                choose({ label: data.label, value });
                close();
              }}
            >
              <Foreign text={value} limit={80} />
            </button>
          </li>
        ))}
      </ul>
    </>
  );
}

/** The selector, for callers who see all projects. */
export function ScopeSelector() {
  const seesAll = useSeesAll();
  const matcher = useMatcher();
  if (!seesAll) return null;
  return (
    <Popover
      label={`${texts.scope.label} ${matcher === null ? texts.scope.all : visible(matcher.value, 40)}`}
      align="left"
      class={matcher === null ? "button" : "button chosen"}
      button={
        <>
          <span class="muted">{texts.scope.label}</span>{" "}
          <span class={matcher === null ? "clip" : "clip mono"}>{matcher === null ? texts.scope.all : visible(matcher.value, 40)}</span>
          <Icon name="chevron" />
        </>
      }
    >
      {(close) => (
        <>
          <p class="hint">{texts.scope.note}</p>
          <Projects close={close} />
        </>
      )}
    </Popover>
  );
}
