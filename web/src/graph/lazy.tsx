/** The graph, loaded when it is first drawn. */

import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";

import { Failure } from "../ui/load";
import type { GraphProps } from "./graph";

let loaded: ComponentType<GraphProps> | null = null;

export function LazyGraph(props: GraphProps) {
  const [View, setView] = useState<{ graph: ComponentType<GraphProps> } | null>(loaded === null ? null : { graph: loaded });
  const [error, setError] = useState<unknown>(null);
  useEffect(() => {
    // Another graph may have loaded it since this one was rendered.
    if (View !== null) return;
    import("./graph").then((module) => {
      loaded = module.default;
      setView({ graph: module.default });
    }, setError);
  }, []);
  if (error !== null) return <Failure error={error} />;
  if (View === null) return <div class="graph placeholder" style={{ height: `${props.height}px` }} />;
  return <View.graph {...props} />;
}
