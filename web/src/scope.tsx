/** The project that a caller who sees all projects has chosen. */

import { useState } from "preact/hooks";

import { explain, labelValues } from "./api/prometheus";
import { state } from "./api/session";
import { route, navigate } from "./route";
import { useStore } from "./lib/store";
import { contains, visible } from "./lib/format";
import { texts } from "./texts";
import { Failure, useLoad } from "./ui/load";
import { Foreign, Icon, Popover, SearchBox, Skeleton } from "./ui/widgets";

/** The ids that the gateway takes: visible ASCII without a comma. */
const PROJECT_ID = /^[!-+\--~]{1,255}$/;

const MAX_SHOWN = 100;

/** Returns the id of the chosen project; null for all. */
export function onlyOf(parameters: URLSearchParams): string | null {
  const id = parameters.get("only") ?? "";
  return PROJECT_ID.test(id) ? id : null;
}

/** Returns the part of an address that keeps the chosen project. */
export function kept(only: string | null): URLSearchParams {
  return new URLSearchParams(only === null ? {} : { only });
}

/** Returns whether the caller sees all projects with queries. */
export function useSeesAll(): boolean {
  const current = useStore(state);
  return current.kind === "active" && current.access["telemetry:query"] === "all_projects";
}

/** Returns the id of the project that the caller has chosen; null for all, and for callers who see only one. */
export function useOnly(): string | null {
  const { parameters } = useStore(route);
  return useSeesAll() ? onlyOf(parameters) : null;
}

/** Returns the projects that have series: the values of the label by which the gateway restricts queries. */
async function loadProjects(): Promise<string[]> {
  const current = state.get();
  const own = current.kind === "active" ? current.session.project.id : null;
  const { label } = await explain("up", "/api/v1/query", { only: own });
  return label === null ? [] : (await labelValues(label)).filter((id) => PROJECT_ID.test(id));
}

function choose(only: string | null): void {
  const { page, parameters } = route.get();
  const next = new URLSearchParams(parameters);
  if (only === null) next.delete("only");
  else next.set("only", only);
  navigate(page, next);
}

function Projects({ close }: { close: () => void }) {
  const [search, setSearch] = useState("");
  const { data, error, loading } = useLoad(() => loadProjects(), []);
  if (error !== null) return <Failure error={error} />;
  if (loading || data === null) return <Skeleton rows={3} />;
  if (data.length === 0) return <p class="hint">{texts.scope.none}</p>;
  const found = data.filter((value) => contains(value, search));
  return (
    <>
      <SearchBox focus label={texts.scope.search} value={search} onInput={setSearch} />
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
                choose(value);
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
  const only = useOnly();
  if (!seesAll) return null;
  return (
    <Popover
      label={`${texts.scope.label} ${only === null ? texts.scope.all : visible(only, 40)}`}
      align="left"
      class={only === null ? "button" : "button chosen"}
      button={
        <>
          <span class="muted">{texts.scope.label}</span>{" "}
          <span class={only === null ? "clip" : "clip mono"}>{only === null ? texts.scope.all : visible(only, 40)}</span>
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
