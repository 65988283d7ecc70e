/** The queries that the user has run. */

import { useState } from "preact/hooks";

import { clearHistory, readHistory } from "../lib/history";
import { contains } from "../lib/format";
import { formatTime } from "../lib/time";
import { useStore } from "../lib/store";
import { settings } from "../settings";
import { texts } from "../texts";
import { Dialog, Foreign, SearchBox } from "../ui/widgets";

interface HistoryProps {
  user: string;
  onChoose: (query: string) => void;
  onClose: () => void;
}

export function HistoryDialog({ user, onChoose, onClose }: HistoryProps) {
  const text = texts.explore;
  const { zone } = useStore(settings);
  const [search, setSearch] = useState("");
  const [entries, setEntries] = useState(() => readHistory(user));
  const found = entries.filter((entry) => contains(entry.query, search));
  return (
    <Dialog title={text.historyTitle} onClose={onClose}>
      <p class="hint">{text.historyHint}</p>
      {entries.length === 0 ? (
        <p>{text.historyEmpty}</p>
      ) : (
        <>
          <SearchBox focus label={text.historySearch} value={search} onInput={setSearch} />
          <ul class="history-list">
            {found.map((entry) => (
              <li key={entry.query}>
                <button type="button" onClick={() => onChoose(entry.query)}>
                  <span class="mono history-query">
                    <Foreign text={entry.query} limit={400} />
                  </span>
                  <span class="muted nowrap">{formatTime(entry.time, zone, false)}</span>
                </button>
              </li>
            ))}
          </ul>
          <button
            type="button"
            class="button small"
            onClick={() => {
              clearHistory(user);
              setEntries([]);
            }}
          >
            {text.historyClear}
          </button>
        </>
      )}
    </Dialog>
  );
}
