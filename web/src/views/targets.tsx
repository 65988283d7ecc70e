/** Scrape targets that the caller may see. */

import { useState } from "preact/hooks";

import { targets, type Target } from "../api/prometheus";
import { now } from "../api/session";
import { contains, formatValue } from "../lib/format";
import { formatAgo } from "../lib/time";
import { texts } from "../texts";
import { ListPage } from "../ui/list-page";
import { useLoad } from "../ui/load";
import { Empty, Foreign, Pairs } from "../ui/widgets";

const text = texts.targets;
const MAX_SHOWN = 500;

function Health({ target }: { target: Target }) {
  if (target.health === "up") return <span class="state ok">{text.up}</span>;
  if (target.health === "down") return <span class="state bad">{text.down}</span>;
  return <span class="state">{text.unknown}</span>;
}

export function Targets() {
  const [search, setSearch] = useState("");
  const loaded = useLoad((signal) => targets({ signal }), []);
  const all = loaded.data ?? [];
  const found = all.filter((target) => contains(`${target.scrapePool} ${JSON.stringify(target.labels)} ${target.health}`, search));
  return (
    <ListPage
      title={text.title}
      loaded={loaded}
      summary={text.counts(all.filter((target) => target.health === "up").length, all.length)}
      all={all.length}
      found={found.length}
      none={
        <Empty title={text.none}>
          <p>{text.noneHint}</p>
        </Empty>
      }
      noMatch={text.noMatch}
      search={{ label: text.search, value: search, onInput: setSearch }}
    >
      {found.length > MAX_SHOWN ? <p class="hint">{text.tooMany(MAX_SHOWN, found.length)}</p> : null}
      <div class="card table-card">
        <table class="data list">
          <thead>
            <tr>
              <th scope="col">{text.pool}</th>
              <th scope="col">{text.health}</th>
              <th scope="col">{text.labels}</th>
              <th scope="col" class="number">
                {text.scraped}
              </th>
              <th scope="col" class="number">
                {text.took}
              </th>
            </tr>
          </thead>
          <tbody>
            {found.slice(0, MAX_SHOWN).map((target, index) => (
              <tr key={index}>
                <th scope="row">
                  <Foreign text={target.scrapePool} limit={80} />
                </th>
                <td data-head={text.health}>
                  <Health target={target} />
                </td>
                <td>
                  <Pairs labels={target.labels} />
                  {target.lastError ? (
                    <p class="field-error">
                      <Foreign text={target.lastError} limit={400} />
                    </p>
                  ) : null}
                </td>
                <td class="number" data-head={text.scraped}>
                  {formatAgo(target.lastScrape, now()) || "–"}
                </td>
                <td class="number" data-head={text.took}>
                  {formatValue(target.lastScrapeDuration, "seconds")}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </ListPage>
  );
}
