/** A page with a list that can be searched: its head, its list, and what it shows while there is none. */

import type { ComponentChildren } from "preact";

import { texts } from "../texts";
import { Failure, type Loaded } from "./load";
import { Icon, SearchBox, Skeleton } from "./widgets";

interface ListPageProps<T> {
  title: string;
  loaded: Loaded<T>;
  /** Returns the text beside the title. */
  count: (data: T) => ComponentChildren;
  /** Returns what is shown instead of the list if it is empty; null if it is not. */
  empty: (data: T) => ComponentChildren;
  /** The search; null if the list is too short for one. */
  search: { label: string; value: string; onInput: (value: string) => void } | null;
  /** Controls before the search. */
  filters?: ComponentChildren;
  /** Controls of the head. */
  controls?: ComponentChildren;
  children: (data: T) => ComponentChildren;
}

export function Refresh({ onClick }: { onClick: () => void }) {
  const label = texts.explore.refresh;
  return (
    <button type="button" class="button square" aria-label={label} title={label} onClick={onClick}>
      <Icon name="refresh" />
    </button>
  );
}

export function ListPage<T>({ title, loaded, count, empty, search, filters, controls, children }: ListPageProps<T>) {
  const { data, error, reload } = loaded;
  const nothing = data === null ? null : empty(data);
  return (
    <>
      <div class="page-head">
        <h1>{title}</h1>
        <span class="muted">{data === null || nothing !== null ? null : count(data)}</span>
        {controls}
        <Refresh onClick={reload} />
      </div>
      {error !== null ? (
        <Failure error={error} onRetry={reload} />
      ) : data === null ? (
        <div class="card">
          <Skeleton rows={6} />
        </div>
      ) : nothing !== null ? (
        <div class="card">{nothing}</div>
      ) : (
        <>
          {filters === undefined && search === null ? null : (
            <div class="filters">
              {filters}
              {search === null ? null : <SearchBox {...search} />}
            </div>
          )}
          {children(data)}
        </>
      )}
    </>
  );
}
