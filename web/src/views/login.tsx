/** Log-in, as a page and as an overlay over a page whose session has ended. */

import { useEffect, useRef, useState } from "preact/hooks";

import { ApiError } from "../api/http";
import { logIn, logInWith, logOut, notRevoked, providers, state, type Login } from "../api/session";
import { useStore } from "../lib/store";
import { formatRelative, formatTime } from "../lib/time";
import { settings } from "../settings";
import { texts } from "../texts";
import { Choice, Dialog, Field, Notice } from "../ui/widgets";

type Method = Login["method"];

/** Returns the failed log-in in words; `wait` is when to try again. */
function explainFailure(error: ApiError, method: Method, clock: (time: number) => string): string {
  const text = texts.login;
  switch (error.status) {
    case 0:
      return text.offline;
    case 401:
      return method === "password" ? text.wrong : text.wrongCredential;
    case 403:
      return text.noProject;
    case 429:
      return error.retryAt === null
        ? text.lockedLater
        : text.locked(clock(error.retryAt), formatRelative(error.retryAt, Date.now() / 1000));
    case 502:
    case 503:
      return text.down;
    default:
      return text.other(error.status);
  }
}

/** Counts seconds down until a time, so that the button works again. */
function useWait(until: number | null): boolean {
  const [, tick] = useState(0);
  const waiting = until !== null && until > Date.now() / 1000;
  useEffect(() => {
    if (!waiting) return undefined;
    const timer = setInterval(() => tick((count) => count + 1), 1000);
    return () => clearInterval(timer);
  }, [waiting, until]);
  return waiting;
}

interface FormProps {
  /** The user and project of the session that has ended. */
  user?: { name: string; domain: string } | undefined;
  project?: { name: string; domain: string } | undefined;
  method?: Method;
}

export function LoginForm({ user, project, method: first = "password" }: FormProps) {
  const text = texts.login;
  const [method, setMethod] = useState<Method>(first);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError | null>(null);
  const form = useRef<HTMLFormElement>(null);
  const { zone } = useStore(settings);
  const sso = useStore(providers);
  const waiting = useWait(error?.status === 429 ? error.retryAt : null);

  const submit = async (event: Event) => {
    event.preventDefault();
    if (form.current === null || busy || waiting) return;
    const data = new FormData(form.current);
    const value = (name: string) => {
      const entry = data.get(name);
      return typeof entry === "string" ? entry : "";
    };
    const domain = value("domain") || text.domainDefault;
    const projectName = value("project");
    const login: Login =
      method === "password"
        ? {
            method,
            user: value("user"),
            domain,
            password: value("password"),
            project: projectName ? { name: projectName, domain: value("project_domain") || domain } : null,
          }
        : { method, id: value("id").trim(), secret: value("secret") };
    setBusy(true);
    setError(null);
    try {
      await logIn(login);
    } catch (failure) {
      setError(failure instanceof ApiError ? failure : new ApiError(0, ""));
      setBusy(false);
      form.current.querySelector<HTMLInputElement>("input[type=password]")?.select();
    }
  };

  useEffect(() => {
    const inputs = form.current?.querySelectorAll<HTMLInputElement>(".field input") ?? [];
    [...inputs].find((input) => !input.value)?.focus();
  }, [method]);

  return (
    <form ref={form} class="login-form" onSubmit={(event) => void submit(event)}>
      {sso.length > 0 ? (
        <div class="sso">
          {sso.map((provider) => (
            <button key={provider.id} type="button" class="button wide" onClick={() => logInWith(provider)}>
              {text.provider(provider.name)}
            </button>
          ))}
          <p class="divider">
            <span>{text.or}</span>
          </p>
        </div>
      ) : null}
      <Choice
        label={text.method}
        hideLabel
        value={method}
        options={[
          { value: "password", text: text.password },
          { value: "application_credential", text: text.credential },
        ]}
        onChange={(next) => {
          setMethod(next);
          setError(null);
        }}
      />
      {method === "password" ? (
        <>
          <div class="pair">
            <Field label={text.user}>
              {(attributes) => (
                <input {...attributes} name="user" autocomplete="username" required defaultValue={user?.name ?? ""} spellcheck={false} autocapitalize="none" />
              )}
            </Field>
            <Field label={text.domain}>
              {(attributes) => (
                <input {...attributes} name="domain" defaultValue={user?.domain ?? text.domainDefault} spellcheck={false} autocapitalize="none" />
              )}
            </Field>
          </div>
          <Field label={text.secretPassword}>
            {(attributes) => <input {...attributes} name="password" type="password" autocomplete="current-password" required />}
          </Field>
          <div class="pair">
            <Field label={`${text.project} (${text.optional})`}>
              {(attributes) => (
                <input {...attributes} name="project" defaultValue={project?.name ?? ""} spellcheck={false} autocapitalize="none" />
              )}
            </Field>
            <Field label={text.projectDomain}>
              {(attributes) => (
                <input {...attributes} name="project_domain" defaultValue={project?.domain ?? ""} placeholder={text.domainDefault} spellcheck={false} autocapitalize="none" />
              )}
            </Field>
          </div>
          <p class="hint">{text.projectHint}</p>
        </>
      ) : (
        <>
          <Field label={text.id}>
            {(attributes) => <input {...attributes} name="id" class="mono" autocomplete="username" required spellcheck={false} autocapitalize="none" />}
          </Field>
          <Field label={text.secret}>
            {(attributes) => <input {...attributes} name="secret" type="password" autocomplete="current-password" required />}
          </Field>
        </>
      )}
      {error === null ? null : (
        <Notice kind="error">{explainFailure(error, method, (time) => formatTime(time, zone))}</Notice>
      )}
      <button type="submit" class="button primary wide" disabled={busy || waiting}>
        {busy ? text.submitting : text.submit}
      </button>
    </form>
  );
}

export function LoginPage() {
  const unrevoked = useStore(notRevoked);
  return (
    <main class="login-page" id="content">
      <div class="login-card">
        <div class="brand large">
          <span class="brand-mark" aria-hidden="true" />
          {texts.product}
        </div>
        <h1>{texts.login.title}</h1>
        <p class="muted">{texts.login.intro}</p>
        {unrevoked ? <Notice kind="warning">{texts.login.notRevoked}</Notice> : null}
        <LoginForm />
      </div>
    </main>
  );
}

/** Shown over the page when the session has ended. */
export function LoginOverlay() {
  const current = useStore(state);
  const session = current.kind === "active" ? current.session : null;
  return (
    <Dialog title={texts.login.again} onClose={null} class="narrow">
      <p class="muted">{texts.login.againIntro}</p>
      <LoginForm
        user={session?.kind === "password" ? session.user : undefined}
        project={session?.kind === "password" ? session.project : undefined}
        method={session?.kind === "application_credential" ? "application_credential" : "password"}
      />
      <button type="button" class="button quiet wide" onClick={() => void logOut().catch(() => location.reload())}>
        {texts.login.leave}
      </button>
    </Dialog>
  );
}
