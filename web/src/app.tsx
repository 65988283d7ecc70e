/** The frame of all pages. */

import type { ComponentType, VNode } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import { ended } from "./api/http";
import {
  elsewhere,
  follow,
  listProjects,
  logOut,
  start,
  state,
  switchProject,
  version,
  type Session,
} from "./api/session";
import { Explore } from "./explore/explore";
import { contains } from "./lib/format";
import { formatRoute } from "./lib/state";
import { useStore } from "./lib/store";
import { formatClock } from "./lib/time";
import { route } from "./route";
import { kept, onlyOf } from "./scope";
import { change, settings, type Theme } from "./settings";
import { texts } from "./texts";
import { Failure, useLoad } from "./ui/load";
import { Choice, Empty, Foreign, Icon, Notice, Popover, SearchBox, Skeleton } from "./ui/widgets";
import { LoginOverlay, LoginPage } from "./views/login";

type Page = "explore" | "servers" | "usage" | "alerts" | "targets" | "connect" | "gateway";

const PAGES: readonly Page[] = ["explore", "servers", "usage", "alerts", "targets", "connect", "gateway"];

/** The pages that are loaded when they are first shown. */
const LAZY: Readonly<Partial<Record<Page, () => Promise<ComponentType>>>> = {
  servers: () => import("./servers/servers").then((module) => module.Servers),
  usage: () => import("./views/usage").then((module) => module.Usage),
  alerts: () => import("./views/alerts").then((module) => module.Alerts),
  targets: () => import("./views/targets").then((module) => module.Targets),
  connect: () => import("./views/connect").then((module) => module.Connect),
  gateway: () => import("./views/gateway").then((module) => module.Gateway),
};

function Lazy({ page }: { page: Page }) {
  const { data, error, reload } = useLoad(async () => {
    const component = await LAZY[page]?.();
    return component === undefined ? null : { component };
  }, [page]);
  if (error !== null) return <Failure error={error} onRetry={reload} />;
  if (data === null) return <Skeleton rows={6} />;
  const View = data.component;
  return <View />;
}

function ProjectMenu({ session, close }: { session: Session; close: () => void }) {
  const text = texts.session;
  const [search, setSearch] = useState("");
  const [failure, setFailure] = useState<unknown>(null);
  const { data, error, loading } = useLoad(() => listProjects(), []);
  if (session.kind === "application_credential") return <p class="hint">{text.credentialOnly}</p>;
  if (error !== null || failure !== null) return <Failure error={failure ?? error} />;
  if (loading || data === null) return <Skeleton rows={3} />;
  const found = data.filter((project) => contains(`${project.name} ${project.id}`, search));
  return (
    <>
      {data.length > 8 ? <SearchBox focus label={text.projectSearch} value={search} onInput={setSearch} /> : null}
      <ul class="menu-list">
        {found.map((project) => {
          const current = project.id === session.project.id;
          return (
            <li key={project.id}>
              <button
                type="button"
                class="menu-item"
                aria-current={current ? "true" : undefined}
                onClick={() => {
                  if (current) close();
                  else switchProject(project.id).then(close, setFailure);
                }}
              >
                <span class="clip">
                  <Foreign text={project.name} limit={100} />
                </span>
                <span class="muted clip">
                  <Foreign text={project.domain} limit={60} />
                </span>
                {current ? <Icon name="check" /> : null}
              </button>
            </li>
          );
        })}
      </ul>
      {found.length === 0 ? <p class="hint">{text.noMatch}</p> : null}
    </>
  );
}

function AccountMenu({ session }: { session: Session }) {
  const text = texts.session;
  const { theme, zone } = useStore(settings);
  const [failure, setFailure] = useState<unknown>(null);
  return (
    <>
      <div class="account">
        <strong class="clip">
          <Foreign text={session.user.name} limit={100} />
        </strong>
        <span class="muted clip">
          <Foreign text={session.user.domain} limit={100} />
        </span>
        <p class="hint">{text.roles(session.roles.join(", "))}</p>
        <p class="hint">{text.until(formatClock(session.expires_at, zone))}</p>
      </div>
      <Choice
        label={text.theme}
        value={theme}
        options={(["auto", "light", "dark"] as Theme[]).map((value) => ({ value, text: text.themes[value] }))}
        onChange={(value) => change({ theme: value })}
      />
      <Choice
        label={text.zone}
        value={zone}
        options={[
          { value: "local", text: text.zones.local },
          { value: "utc", text: text.zones.utc },
        ]}
        onChange={(value) => change({ zone: value })}
      />
      {failure === null ? null : <Failure error={failure} />}
      <button type="button" class="button wide" onClick={() => void logOut().catch(setFailure)}>
        {text.logOut}
      </button>
    </>
  );
}

function Header({ session, page, pages }: { session: Session; page: string; pages: readonly Page[] }) {
  const { parameters } = useStore(route);
  const nav = useRef<HTMLElement>(null);
  // On a phone, the names of the pages scroll sideways.
  useEffect(() => nav.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" }), [page]);
  const only = onlyOf(parameters);
  // The link to Explore leads back to its queries.
  const queries = useRef(new URLSearchParams());
  if (page === "explore") queries.current = parameters;
  const address = (name: Page) => {
    const next = new URLSearchParams(name === "explore" && page !== name ? queries.current : undefined);
    next.delete("only");
    return formatRoute(name, new URLSearchParams([...next, ...kept(only)]));
  };
  return (
    <header class="top">
      <a class="skip" href="#content" onClick={skip}>
        {texts.skip}
      </a>
      <div class="brand">
        <span class="brand-mark" aria-hidden="true" />
        <span class="brand-name">{texts.product}</span>
      </div>
      <nav ref={nav} aria-label={texts.pages.navigation}>
        <ul>
          {pages.map((name) => (
            <li key={name}>
              <a href={address(name)} aria-current={name === page ? "page" : undefined}>
                {texts.pages[name]}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <div class="top-right">
        <Popover
          label={`${texts.session.switchProject}: ${session.project.name}`}
          class="button project"
          button={
            <>
              <span class="clip">
                <Foreign text={session.project.name} limit={60} />
              </span>
              <Icon name="chevron" />
            </>
          }
        >
          {(close) => <ProjectMenu session={session} close={close} />}
        </Popover>
        <Popover label={texts.session.account} class="button square" button={<Icon name="person" />}>
          {() => <AccountMenu session={session} />}
        </Popover>
      </div>
    </header>
  );
}

function focusContent(): void {
  document.getElementById("content")?.focus();
}

function skip(event: Event): void {
  event.preventDefault();
  focusContent();
}

function Elsewhere({ mine }: { mine: Session }) {
  const other = useStore(elsewhere);
  const [failure, setFailure] = useState<unknown>(null);
  if (other === null) return null;
  return (
    <Notice kind="warning" title={texts.session.elsewhere(other.project.name)}>
      <div class="buttons">
        <button type="button" class="button small" onClick={() => void switchProject(mine.project.id).catch(setFailure)}>
          {texts.session.back(mine.project.name)}
        </button>
        <button type="button" class="button small" onClick={() => void follow()}>
          {texts.session.follow(other.project.name)}
        </button>
      </div>
      {failure === null ? null : <Failure error={failure} />}
    </Notice>
  );
}

function Footer() {
  const name = useStore(version);
  const licences = document.querySelector<HTMLLinkElement>("link[rel=license]")?.href;
  return (
    <footer class="bottom">
      {name ? <span>{texts.version(name)}</span> : null}
      {licences === undefined ? null : (
        <a href={licences} target="_blank" rel="noreferrer">
          {texts.licences}
        </a>
      )}
    </footer>
  );
}

export function App() {
  const current = useStore(state);
  const over = useStore(ended);
  const { page: name } = useStore(route);
  const page = (name || "explore").split("/")[0] ?? "";
  const known = PAGES.find((one) => one === page);

  const shown = useRef(name);
  useEffect(() => {
    // The link that led here may be gone, and the focus with it.
    if (shown.current !== name && document.activeElement === document.body) focusContent();
    shown.current = name;
  }, [name]);

  useEffect(() => {
    const project = current.kind === "active" ? ` · ${current.session.project.name}` : "";
    const title = known === undefined ? texts.title : texts.pages[known];
    document.title = current.kind === "active" ? `${title}${project}` : texts.title;
  }, [known, current]);

  switch (current.kind) {
    case "loading":
      return (
        <main class="centre">
          <Skeleton rows={3} />
        </main>
      );
    case "failed":
      return (
        <main class="centre">
          <h1>{texts.session.failed}</h1>
          <Failure error={current.error} onRetry={() => void start()} />
        </main>
      );
    case "anonymous":
      return <LoginPage />;
    case "active": {
      const { session, access } = current;
      const pages = PAGES.filter((one) => one !== "targets" || access["telemetry:targets"] !== "none");
      let view: VNode;
      if (known === undefined) {
        view = (
          <Empty title={texts.pages.unknown}>
            <p>{texts.pages.unknownHint}</p>
          </Empty>
        );
      } else if (known === "explore") view = <Explore />;
      else view = <Lazy key={known} page={known} />;
      return (
        <>
          <Header session={session} page={page} pages={pages} />
          <main id="content" tabIndex={-1}>
            <Elsewhere mine={session} />
            <div class="view" key={`${session.user.id} ${session.project.id}`}>
              {view}
            </div>
          </main>
          <Footer />
          {over ? <LoginOverlay /> : null}
        </>
      );
    }
  }
}
