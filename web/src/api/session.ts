/** Log-in, log-out and projects. */

import { clearHistory } from "../lib/history";
import { createStore } from "../lib/store";
import { saveFragment } from "../lib/storage";
import { navigate } from "../route";
import { ask, csrfToken, ended, moved, prefix, setCsrf, setProject, ApiError } from "./http";

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

/** Whether Keystone could not revoke the token of the session that was left. */
export const notRevoked = createStore(false);

export const providers = createStore<Provider[]>([]);
export const version = createStore("");
export const keystoneUrl = createStore("");

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
  keystone_url?: string;
  server_time?: number;
}

function keep(page: Page): void {
  setCsrf(page.csrf);
  if (page.websso) providers.set(page.websso);
  if (page.version !== undefined) version.set(page.version);
  if (page.keystone_url !== undefined) keystoneUrl.set(page.keystone_url);
  if (page.server_time !== undefined) ahead = page.server_time - Date.now() / 1000;
}

/** Asks what the policy lets the caller see; throws if Keystone has revoked the token. */
async function loadAccess(): Promise<Access> {
  try {
    const { data } = (await ask("/-/whoami")) as { data: { rules: Access } };
    return data.rules;
  } catch (error) {
    if (!(error instanceof ApiError) || error.status === 401) throw error;
  }
  return {};
}

function isSame(one: Session, other: Session): boolean {
  return one.project.id === other.project.id && one.user.id === other.user.id;
}

async function enter(session: Session): Promise<void> {
  setProject(session.project.id);
  const access = await loadAccess();
  const before = state.get();
  // Keep the object of a project that stays the same: a new one would run all queries again.
  if (before.kind === "active" && isSame(before.session, session)) Object.assign(before.session, session);
  else state.set({ kind: "active", session, access });
  elsewhere.set(null);
  notRevoked.set(false);
  ended.set(false);
  moved.set(false);
}

/** Shows the log-in, and nothing of the session that was left. */
function leave(): void {
  const current = state.get();
  if (current.kind === "active") clearHistory(current.session.user.id);
  setProject("");
  navigate("explore", new URLSearchParams(), true);
  state.set({ kind: "anonymous" });
  elsewhere.set(null);
  ended.set(false);
  moved.set(false);
}

/** Asks who is logged in. */
export async function start(): Promise<void> {
  try {
    const page = (await ask("/ui/session")) as Page;
    keep(page);
    if (page.session === null) state.set({ kind: "anonymous" });
    else await enter(page.session);
  } catch (error) {
    const failure = error instanceof ApiError ? error : new ApiError(0, "");
    state.set(failure.status === 401 ? { kind: "anonymous" } : { kind: "failed", error: failure });
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
  const answer = (await post("/ui/logout", {})) as { revoked: boolean };
  leave();
  notRevoked.set(!answer.revoked);
  tabs?.postMessage("left");
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

/** Looks whether another tab has logged in again, switched the project, or lost its session. */
export async function compare(): Promise<void> {
  if (state.get().kind !== "active") return;
  try {
    const page = (await ask("/ui/session")) as Page;
    keep(page);
    const current = state.get();
    if (current.kind !== "active") return;
    if (page.session === null) ended.set(true);
    else if (!isSame(page.session, current.session)) elsewhere.set(page.session);
    else if (ended.get() || moved.get() || elsewhere.get() !== null) await enter(page.session);
  } catch {
    return; // the next query shows what is wrong
  }
}

/** Accepts the session that another tab has changed. */
export async function follow(): Promise<void> {
  await start();
}

/** Follows other tabs, and ends the session at its time. */
export function watch(): void {
  if (tabs) tabs.onmessage = (event: MessageEvent<string>) => (event.data === "left" ? leave() : void compare());
  moved.subscribe(() => {
    if (moved.get()) void compare();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") void compare();
  });
  setInterval(() => {
    const current = state.get();
    if (current.kind === "active" && current.session.expires_at <= now()) ended.set(true);
  }, 5000);
}
