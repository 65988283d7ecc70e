/** Log-in, log-out and projects. */

import { createStore } from "../lib/store";
import { saveFragment } from "../lib/storage";
import { apiData, ask, csrfToken, ended, prefix, setCsrf, ApiError } from "./http";

export interface Named {
  id: string;
  name: string;
  domain: string;
}

export interface Session {
  user: Named;
  project: Named;
  roles: string[];
  expires_at: number;
  kind: "password" | "application_credential" | "websso";
}

export interface Provider {
  id: string;
  name: string;
}

export type Login =
  | {
      method: "password";
      user: string;
      domain: string;
      password: string;
      project: { name: string; domain: string } | null;
    }
  | { method: "application_credential"; id: string; secret: string };

/** What the policy lets the caller see, by rule: `telemetry:query` is `project` or `all_projects`. */
export type Access = Readonly<Record<string, string>>;

export type State =
  | { kind: "loading" }
  | { kind: "failed"; error: ApiError }
  | { kind: "anonymous" }
  | { kind: "active"; session: Session; access: Access };

export const state = createStore<State>({ kind: "loading" });

/** The project that another tab has switched this browser to; null if it is this tab's. */
export const elsewhere = createStore<Session | null>(null);

export const providers = createStore<Provider[]>([]);
export const version = createStore("");

/** Seconds that the server's clock is ahead of the browser's. */
let ahead = 0;

/** Returns the server's time, in seconds: the browser's clock may be wrong. */
export function now(): number {
  return Date.now() / 1000 + ahead;
}

// The browser's tabs share the cookie, so they tell each other when its project changes.
const tabs = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel("chrysaetos");

interface Page {
  csrf: string;
  session: Session | null;
  websso?: Provider[];
  version?: string;
  server_time?: number;
}

function keep(page: Page): void {
  setCsrf(page.csrf);
  if (page.websso) providers.set(page.websso);
  if (page.version !== undefined) version.set(page.version);
  if (page.server_time !== undefined) ahead = page.server_time - Date.now() / 1000;
}

async function loadAccess(): Promise<Access> {
  try {
    const data = await apiData("/-/whoami");
    if (typeof data === "object" && data !== null && "rules" in data) return data.rules as Access;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
  }
  return {};
}

async function enter(session: Session): Promise<void> {
  elsewhere.set(null);
  const before = state.get();
  const access = await loadAccess();
  const same =
    before.kind === "active" &&
    before.session.project.id === session.project.id &&
    before.session.user.id === session.user.id;
  // Keep the object of a project that stays the same: a new one would run all queries again.
  if (same) Object.assign(before.session, session);
  else state.set({ kind: "active", session, access });
  ended.set(false);
}

/** Asks who is logged in. */
export async function start(): Promise<void> {
  try {
    const page = (await ask("/ui/session")) as Page;
    keep(page);
    if (page.session === null) state.set({ kind: "anonymous" });
    else await enter(page.session);
  } catch (error) {
    state.set({ kind: "failed", error: error instanceof ApiError ? error : new ApiError(0, "") });
  }
}

async function post(path: string, json: unknown): Promise<unknown> {
  try {
    return await ask(path, { json });
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 403)) throw error;
    // Another tab may have changed the CSRF token.
    const page = (await ask("/ui/session")) as Page;
    if (page.csrf === csrfToken()) throw error;
    keep(page);
    return ask(path, { json });
  }
}

/** Logs in, for the first time or again. */
export async function logIn(login: Login): Promise<void> {
  const page = (await post("/ui/login", login)) as Page;
  keep(page);
  if (page.session !== null) await enter(page.session);
  tabs?.postMessage("changed");
}

/** Goes to the identity provider; the page comes back with its fragment. */
export function logInWith(provider: Provider): void {
  saveFragment(location.hash);
  location.assign(`${prefix}/ui/websso/${encodeURIComponent(provider.id)}`);
}

/** Logs out, which also revokes the token. */
export async function logOut(): Promise<void> {
  await post("/ui/logout", {});
  state.set({ kind: "anonymous" });
  ended.set(false);
  tabs?.postMessage("changed");
  const page = (await ask("/ui/session")) as Page;
  keep(page);
}

/** Returns the projects that the user may enter. */
export async function listProjects(): Promise<Named[]> {
  const answer = (await ask("/ui/projects")) as { projects: Named[] };
  return answer.projects;
}

/** Enters another project. */
export async function switchProject(id: string): Promise<void> {
  const page = (await post("/ui/project", { id })) as Page;
  keep(page);
  if (page.session !== null) await enter(page.session);
  tabs?.postMessage("changed");
}

export interface Credential {
  id: string;
  name: string;
  secret: string;
  roles: string[];
}

/** Creates an application credential in Keystone. */
export async function createCredential(name: string, expiresAt: number | null): Promise<Credential> {
  const expiry = expiresAt === null ? {} : { expires_at: Math.round(expiresAt) };
  return (await post("/ui/credential", { name, ...expiry })) as Credential;
}

/** Looks whether another tab has logged out or switched the project. */
export async function compare(): Promise<void> {
  const current = state.get();
  if (current.kind !== "active" || ended.get()) return;
  let page: Page;
  try {
    page = (await ask("/ui/session")) as Page;
  } catch {
    return; // the next query shows what is wrong
  }
  keep(page);
  if (page.session === null) ended.set(true);
  else {
    const same =
      page.session.project.id === current.session.project.id && page.session.user.id === current.session.user.id;
    elsewhere.set(same ? null : page.session);
  }
}

/** Accepts the session that another tab has changed. */
export async function follow(): Promise<void> {
  await start();
}

/** Follows other tabs, and ends the session at its time. */
export function watch(): void {
  if (tabs) tabs.onmessage = () => void compare();
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") void compare();
  });
  setInterval(() => {
    const current = state.get();
    if (current.kind === "active" && current.session.expires_at <= now()) ended.set(true);
  }, 5000);
}
