/** Scrape targets that the caller may see. */

import { useState } from "preact/hooks";

import { targets, type Target } from "../api/prometheus";
import { now } from "../api/session";
import { formatNumber } from "../lib/format";
import { formatRelative } from "../lib/time";
import { texts } from "../texts";
import { ListPage } from "../ui/list-page";
import { useLoad } from "../ui/load";
import { Empty, Foreign } from "../ui/widgets";
import { Pairs } from "./alerts";

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
  const found = all.filter((target) => `${target.scrapePool} ${JSON.stringify(target.labels)} ${target.health}`.toLowerCase().includes(search.toLowerCase()));
  return (
    <ListPage
      title={text.title}
      loaded={loaded}
      count={() => text.counts(all.filter((target) => target.health === "up").length, all.length)}
      empty={() =>
        all.length > 0 ? null : (
          <Empty title={text.none}>
            <p>{text.noneHint}</p>
          </Empty>
        )
      }
      search={{ label: text.search, value: search, onInput: setSearch }}
    >
      {() =>
        found.length === 0 ? (
          <p class="hint">{text.noMatch}</p>
        ) : (
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
                      {Date.parse(target.lastScrape) > 0 ? formatRelative(Date.parse(target.lastScrape) / 1000, now()) : "–"}
                    </td>
                    <td class="number" data-head={text.took}>
                      {formatNumber(target.lastScrapeDuration)}s
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )
      }
    </ListPage>
  );
}
