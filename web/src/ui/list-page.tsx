/** A page with a list that can be searched: its head, its list, and what it shows while there is none. */

import type { ComponentChildren } from "preact";

import { texts } from "../texts";
import { Failure, type Loaded } from "./load";
import { Icon, SearchBox, Skeleton } from "./widgets";

interface ListPageProps {
  title: string;
  loaded: Loaded<unknown>;
  /** The text beside the title. */
  summary: ComponentChildren;
  /** How many items there are. */
  all: number;
  /** How many of them match the search. */
  found: number;
  /** What is shown if there are no items. */
  none: ComponentChildren;
  /** What is shown if no item matches. */
  noMatch: string;
  /** The search; null if the list is too short for one. */
  search: { label: string; value: string; onInput: (value: string) => void } | null;
  /** Controls before the search. */
  filters?: ComponentChildren;
  /** Controls of the head. */
  controls?: ComponentChildren;
  /** The items that match. */
  children: ComponentChildren;
}

export function Refresh({ onClick }: { onClick: () => void }) {
  const label = texts.explore.refresh;
  return (
    <button type="button" class="button square" aria-label={label} title={label} onClick={onClick}>
      <Icon name="refresh" />
    </button>
  );
}

export function ListPage({ title, loaded, summary, all, found, none, noMatch, search, filters, controls, children }: ListPageProps) {
  const { data, error, reload } = loaded;
  return (
    <>
      <div class="page-head">
        <h1>{title}</h1>
        <span class="muted">{all > 0 ? summary : null}</span>
        {controls}
        <Refresh onClick={reload} />
      </div>
      {error !== null ? (
        <Failure error={error} onRetry={reload} />
      ) : data === null ? (
        <div class="card">
          <Skeleton rows={6} />
        </div>
      ) : all === 0 ? (
        <div class="card">{none}</div>
      ) : (
        <>
          {filters === undefined && search === null ? null : (
            <div class="filters">
              {filters}
              {search === null ? null : <SearchBox {...search} />}
            </div>
          )}
          {found === 0 ? <p class="hint">{noMatch}</p> : children}
        </>
      )}
    </>
  );
}
