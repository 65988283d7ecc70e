/** A matcher in each selector of a query, for callers who see all projects. The gateway does not need it. */

import { parser } from "@prometheus-io/lezer-promql";

import { labelName, quote } from "./labels";

/** Returns the query with a matcher in each vector selector; null if this parser does not know its syntax. */
export function addMatcher(query: string, label: string, value: string): string | null {
  const matcher = `${labelName(label)}=${quote(value)}`;
  const edits: { at: number; text: string }[] = [];
  let errors = 0;
  parser.parse(query).iterate({
    enter(node) {
      if (node.type.isError) errors++;
      if (node.name !== "VectorSelector") return;
      const matchers = node.node.getChild("LabelMatchers");
      if (matchers === null) edits.push({ at: node.to, text: `{${matcher}}` });
      else edits.push({ at: matchers.from + 1, text: matchers.firstChild === null ? matcher : `${matcher},` });
    },
  });
  if (errors > 0) return null;
  return edits.sort((a, b) => b.at - a.at).reduce((text, { at, text: inserted }) => text.slice(0, at) + inserted + text.slice(at), query);
}
