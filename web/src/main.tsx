/** The start of the page. */

import { render } from "preact";

import { App } from "./app";
import { start, watch } from "./api/session";
import { takeFragment } from "./lib/storage";
import { parseRoute } from "./lib/state";
import { followAddress, navigate } from "./route";
import { applySettings } from "./settings";
import "uplot/dist/uPlot.min.css";
import "./style/index.css";


applySettings();
const fragment = location.hash ? null : takeFragment();
if (fragment !== null) {
  const { page, parameters } = parseRoute(fragment);
  navigate(page, parameters, true);
}
followAddress();
const root = document.getElementById("app");
if (root !== null) render(<App />, root);
void start().then(watch);
