import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { Link, useLocation, useSearchParams } from "wouter";
import { api, take } from "../../api/client";
import { ApiError } from "../../api/error";
import { signIn, type TokenPair } from "../../api/session";
import { Button, TextField } from "../../components/controls";
import { Form } from "../../components/form";
import { Loading, saying } from "../../components/states";
import { safe } from "../../shell/safe";
import { useSession } from "../../shell/user";
import "./sign-in.css";

/** Where somebody wanted to go who now signs in elsewhere first. */
const NEXT = "tidegate.next";

const NAMES: Record<string, string> = { google: "Google", apple: "Apple", github: "GitHub", microsoft: "Microsoft" };

/** What a provider of sign-ins sent back; the gateway puts it behind `#`, where no log sees it. */
function broughtBack(): { provider: string; code?: string; state?: string; error?: string } | null {
  const brought = new URLSearchParams(location.hash.slice(1));
  const provider = brought.get("oidc");
  if (!provider) return null;
  const text = (name: string) => brought.get(name) ?? undefined;
  const [code, state, error] = [text("code"), text("state"), text("error")];
  return { provider, ...(code ? { code } : {}), ...(state ? { state } : {}), ...(error ? { error } : {}) };
}

/** Log-in and registration: the same form with one field more. */
export default function SignIn({ isNew = false }: { isNew?: boolean }) {
  const [params] = useSearchParams();
  const [, go] = useLocation();
  const { ended } = useSession();
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [name, setName] = useState("");
  const [code, setCode] = useState("");
  const [asksCode, setAsksCode] = useState(false);
  const [ticket, setTicket] = useState<string | null>(null);
  const [forgot, setForgot] = useState(false);
  const next = safe(params.get("next"));

  const enter = (pair: TokenPair, to = next) => {
    signIn(pair);
    go(to ?? (isNew ? "/onboarding" : "/trade"), { replace: true });
  };
  const { brought, failed } = useReturn((pair) => enter(pair, kept()), setTicket);

  const submit = async () => {
    const body = { email, password };
    if (isNew) return enter(await take(api.POST("/api/v1/auth/register", { body: { ...body, name } })));
    if (ticket) return enter(await take(api.POST("/api/v1/auth/oidc/finish", { body: { ticket, code } })), kept());
    try {
      enter(await take(api.POST("/api/v1/auth/login", { body: { ...body, ...(code ? { code } : {}) } })));
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== "second_factor_required") throw error;
      setAsksCode(true);
    }
  };

  if (brought && !failed && !ticket) return <Loading />;
  if (forgot) return <Forgotten email={email} onBack={() => setForgot(false)} />;
  return (
    <div className="panel sign-in">
      <div className="panel-body stack">
        <h1>{isNew ? "Make an account" : "Sign in"}</h1>
        {isNew && <p className="muted">Trade on paper with 100,000 within a minute. Nothing is charged.</p>}
        {ended && !isNew && (
          <p className="banner warn" role="status">
            Your session has ended. Sign in to go on where you were.
          </p>
        )}
        {!!failed && (
          <p className="banner danger" role="alert">
            {saying(failed)}
          </p>
        )}
        <Form
          label={isNew ? "Make an account" : "Sign in"}
          button={isNew ? "Make an account" : ticket || asksCode ? "Go on" : "Sign in"}
          onSubmit={submit}
          {...(isNew || ticket
            ? {}
            : {
                beside: (
                  <Button kind="plain" onClick={() => setForgot(true)}>
                    Forgotten password
                  </Button>
                ),
              })}
        >
          {(wrong) => (
            <>
              {isNew && (
                <TextField
                  label="Name"
                  autoComplete="name"
                  required
                  maxLength={100}
                  value={name}
                  error={wrong("name")}
                  onChange={(event) => setName(event.target.value)}
                />
              )}
              {!ticket && (
                <>
                  <TextField
                    label="E-mail"
                    type="email"
                    autoComplete="username"
                    required
                    value={email}
                    error={wrong("email")}
                    onChange={(event) => setEmail(event.target.value)}
                  />
                  <TextField
                    label="Password"
                    type="password"
                    autoComplete={isNew ? "new-password" : "current-password"}
                    required
                    minLength={isNew ? 10 : undefined}
                    value={password}
                    error={wrong("password")}
                    hint={isNew ? "At least 10 characters; a sentence is good." : undefined}
                    onChange={(event) => setPassword(event.target.value)}
                  />
                </>
              )}
              {(asksCode || ticket) && (
                <TextField
                  label="Code of your second factor"
                  hint="Six digits of the authenticator, or one of your recovery codes."
                  autoComplete="one-time-code"
                  autoCapitalize="none"
                  spellCheck={false}
                  required
                  autoFocus
                  value={code}
                  error={wrong("code")}
                  onChange={(event) => setCode(event.target.value.trim())}
                />
              )}
            </>
          )}
        </Form>
        {!asksCode && !ticket && <Providers next={next} />}
        <p className="sign-in-other">
          {isNew ? (
            <>
              You have an account? <Link href="/sign-in">Sign in</Link>
            </>
          ) : (
            <>
              New here? <Link href="/register">Make an account</Link>
            </>
          )}
        </p>
      </div>
    </div>
  );
}

function kept(): string | null {
  try {
    return safe(sessionStorage.getItem(NEXT));
  } catch {
    return null;
  }
}

/** Finishes a sign-in with a provider, once. */
function useReturn(onEntered: (pair: TokenPair) => void, onTicket: (ticket: string) => void) {
  const [brought] = useState(broughtBack);
  const [failed, setFailed] = useState<unknown>(null);
  const begun = useRef(false);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a code is good once, and so is this
  useEffect(() => {
    if (!brought || begun.current) return;
    begun.current = true;
    history.replaceState(null, "", location.pathname);
    const { provider, ...query } = brought;
    take(api.GET("/api/v1/auth/oidc/{provider}/callback", { params: { path: { provider }, query } })).then(
      onEntered,
      (error: unknown) => {
        const ticket = error instanceof ApiError && error.details.ticket;
        if (typeof ticket === "string") onTicket(ticket);
        else setFailed(error);
      },
    );
  }, [brought]);
  return { brought, failed };
}

function Providers({ next }: { next: string | null }) {
  const providers = useQuery({
    queryKey: ["providers"],
    queryFn: () => take(api.GET("/api/v1/auth/oidc")),
    staleTime: Number.POSITIVE_INFINITY,
  }).data;
  const [error, setError] = useState<unknown>(null);
  const [going, setGoing] = useState<string | null>(null);
  if (!providers || providers.length === 0) return null;
  const start = async (provider: string) => {
    setGoing(provider);
    setError(null);
    try {
      const { url } = await take(api.GET("/api/v1/auth/oidc/{provider}/start", { params: { path: { provider } } }));
      try {
        sessionStorage.setItem(NEXT, next ?? "");
      } catch {
        // Without storage one comes back to the first page.
      }
      location.assign(url);
    } catch (caught) {
      setError(caught);
      setGoing(null);
    }
  };
  return (
    <div className="stack">
      <p className="sign-in-or muted">or</p>
      {providers.map((provider) => (
        <Button key={provider} busy={going === provider} disabled={!!going} onClick={() => void start(provider)}>
          Continue with {NAMES[provider] ?? provider}
        </Button>
      ))}
      {!!error && (
        <p className="field-error" role="alert">
          {saying(error)}
        </p>
      )}
    </div>
  );
}

function Forgotten({ email: given, onBack }: { email: string; onBack: () => void }) {
  const [email, setEmail] = useState(given);
  const [said, setSaid] = useState<string | null>(null);
  return (
    <div className="panel sign-in">
      <div className="panel-body stack">
        <h1>Forgotten password</h1>
        {said ? (
          <>
            <p role="status">{said}</p>
            <Button onClick={onBack}>Back to sign in</Button>
          </>
        ) : (
          <Form
            label="Forgotten password"
            button="Mail me a link"
            beside={
              <Button kind="plain" onClick={onBack}>
                Back
              </Button>
            }
            onSubmit={async () => {
              const noted = await take(api.POST("/api/v1/auth/password/forgotten", { body: { email } }));
              setSaid(noted.message);
            }}
          >
            {(wrong) => (
              <>
                <p className="muted">A mail brings a link to set a new password. It is good for an hour.</p>
                <TextField
                  label="E-mail"
                  type="email"
                  autoComplete="username"
                  required
                  autoFocus
                  value={email}
                  error={wrong("email")}
                  onChange={(event) => setEmail(event.target.value)}
                />
              </>
            )}
          </Form>
        )}
      </div>
    </div>
  );
}
