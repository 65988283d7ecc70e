/** What the gateway sent to Prometheus for a query. */

import { explain } from "../api/prometheus";
import { difference } from "../lib/difference";
import { texts } from "../texts";
import { Failure, useLoad } from "../ui/load";
import { Copy, Foreign, Skeleton } from "../ui/widgets";

interface SentProps {
  query: string;
  path: string;
  only: string | null;
}

export function Sent({ query, path, only }: SentProps) {
  const text = texts.explore;
  const { data, error } = useLoad((signal) => explain(query, path, { only, signal }), [query, path, only]);
  if (error !== null) return <Failure error={error} />;
  if (data === null) return <Skeleton rows={2} />;
  const note = data.unrestricted
    ? text.explainAll
    : data.given === data.sent || data.label === null
      ? text.explainUnchanged
      : text.explainScoped(data.label, data.values.join(", "));
  return (
    <section class="sent" aria-label={text.explainTitle}>
      <h2>{text.explainTitle}</h2>
      <div class="code">
        <pre tabIndex={0} aria-label={text.explainSent}>
          {difference(query, data.sent).map((part, index) =>
            part.added ? (
              <ins key={index}>
                <Foreign text={part.text} limit={10_000} />
              </ins>
            ) : (
              part.text
            ),
          )}
        </pre>
        <Copy text={data.sent} />
      </div>
      <p class="hint">{note}</p>
      <p class="hint">{text.explainRule(data.rule)}</p>
    </section>
  );
}
