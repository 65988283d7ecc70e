/** How other programs read the metrics of the project. */

import { useState } from "preact/hooks";

import { ApiError, gatewayUrl } from "../api/http";
import { labelValues } from "../api/prometheus";
import { createCredential, keystoneUrl, now, state, version, type Credential } from "../api/session";
import { download } from "../lib/download";
import { visible } from "../lib/format";
import { snippet, TOOLS, type Tool } from "../lib/snippets";
import { useStore } from "../lib/store";
import { texts } from "../texts";
import { Failure, useLoad } from "../ui/load";
import { Code, Field, Foreign, Notice } from "../ui/widgets";

const text = texts.connect;
const DAY = 86_400;
/** The metric of the examples, unless the project has only others. */
const USUAL = "ceilometer_cpu";
const HIDDEN = "••••••••••••";

const EXPIRY: readonly { value: string; text: string }[] = [
  { value: "90", text: text.in90 },
  { value: "30", text: text.in30 },
  { value: "365", text: text.in365 },
  { value: "", text: text.never },
];

function CredentialForm({ onCreated }: { onCreated: (credential: Credential) => void }) {
  const [name, setName] = useState(text.nameDefault);
  const [days, setDays] = useState("90");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  // The gateway says why Keystone refused, such as for a name that exists.
  const refused = error instanceof ApiError && (error.status === 403 || error.status === 409);
  const submit = (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    createCredential(name, days ? now() + Number(days) * DAY : null).then(onCreated, (failure: unknown) => {
      setError(failure);
      setBusy(false);
    });
  };
  return (
    <>
      <form class="credential-form" onSubmit={submit}>
        <Field label={text.name} error={refused ? visible(error.message) || text.conflict : null}>
          {(attributes) => (
            <input {...attributes} value={name} required maxLength={255} onInput={(event) => setName(event.currentTarget.value)} />
          )}
        </Field>
        <Field label={text.expires}>
          {(attributes) => (
            <select {...attributes} value={days} onChange={(event) => setDays(event.currentTarget.value)}>
              {EXPIRY.map((option) => (
                <option key={option.value} value={option.value}>
                  {option.text}
                </option>
              ))}
            </select>
          )}
        </Field>
        <button type="submit" class="button primary" disabled={busy}>
          {busy ? text.creating : text.create}
        </button>
      </form>
      {error === null || refused ? null : <Failure error={error} />}
    </>
  );
}

function Created({ credential, onDone }: { credential: Credential; onDone: () => void }) {
  return (
    <>
      <Notice kind="warning" title={text.onceTitle}>
        <p>{text.onceHint}</p>
      </Notice>
      <dl class="secret">
        <div>
          <dt class="muted">{text.id}</dt>
          <dd>
            <Code text={credential.id} label={text.id} />
          </dd>
        </div>
        <div>
          <dt class="muted">{text.secret}</dt>
          <dd>
            <Code text={credential.secret} label={text.secret} />
          </dd>
        </div>
      </dl>
      <p class="hint">
        {text.role}: <Foreign text={credential.roles.join(", ")} />
      </p>
      <div class="buttons">
        <button type="button" class="button primary" onClick={onDone}>
          {text.done}
        </button>
      </div>
    </>
  );
}

export function Connect() {
  const current = useStore(state);
  const release = useStore(version);
  const keystone = useStore(keystoneUrl);
  const { data: names } = useLoad((signal) => labelValues("__name__", { signal }), []);
  const [tool, setTool] = useState<Tool>("grafana");
  const [credential, setCredential] = useState<Credential | null>(null);
  const [shown, setShown] = useState(false);
  if (current.kind !== "active") return null;
  const access = {
    url: gatewayUrl,
    id: credential?.id ?? "ID",
    secret: credential?.secret ?? "SECRET",
    version: release || "VERSION",
    keystoneUrl: keystone,
    metric: names?.includes(USUAL) ? USUAL : (names?.find((name) => /^[a-zA-Z_:][\w:]*$/.test(name)) ?? USUAL),
  };
  const real = snippet(tool, access);
  const displayed = credential === null || shown ? real : snippet(tool, { ...access, secret: HIDDEN });
  return (
    <div class="connect">
      <div>
        <h1>{text.title}</h1>
        <p class="muted">{text.intro}</p>
      </div>
      <section class="card stack" aria-label={text.address}>
        <h2>{text.address}</h2>
        <Code text={gatewayUrl} label={text.address} />
      </section>
      <section class="card stack" aria-label={text.credentialTitle}>
        <div>
          <h2>{text.credentialTitle}</h2>
          <p class="hint">{text.credentialHint}</p>
        </div>
        {current.session.kind === "application_credential" ? (
          <p>{text.notForCredential}</p>
        ) : credential === null ? (
          <CredentialForm onCreated={setCredential} />
        ) : (
          <Created
            credential={credential}
            onDone={() => {
              setCredential(null);
              setShown(false);
            }}
          />
        )}
      </section>
      <section class="card stack" aria-label={text.tools}>
        <div class="tool-tabs" role="tablist" aria-label={text.tools}>
          {TOOLS.map((name, index) => (
            <button
              key={name}
              type="button"
              role="tab"
              id={`tool-${name}`}
              aria-selected={tool === name}
              aria-controls="tool"
              tabIndex={tool === name ? 0 : -1}
              onClick={() => setTool(name)}
              onKeyDown={(event) => {
                const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
                if (step === 0) return;
                const next = TOOLS[(index + step + TOOLS.length) % TOOLS.length] ?? name;
                setTool(next);
                document.getElementById(`tool-${next}`)?.focus();
              }}
            >
              {text[name]}
            </button>
          ))}
        </div>
        <div id="tool" role="tabpanel" aria-labelledby={`tool-${tool}`} class="stack">
          <p class="hint">{text[`${tool}Hint`]}</p>
          {credential === null ? (
            <p class="hint">{text.placeholders}</p>
          ) : (
            <>
              <p class="hint">{text.inSnippets}</p>
              <label class="check">
                <input type="checkbox" checked={shown} onChange={(event) => setShown(event.currentTarget.checked)} />
                {text.show}
              </label>
            </>
          )}
          <Code text={real.text} shown={displayed.text} label={text[tool]} />
          {real.file === null ? null : (
            <div class="buttons">
              <button type="button" class="button small" onClick={() => download(real.file ?? "", real.text, "text/plain;charset=utf-8")}>
                {text.download}
              </button>
            </div>
          )}
        </div>
      </section>
    </div>
  );
}
