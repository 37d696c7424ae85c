import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Link, useLocation, useSearchParams } from "wouter";
import { api, take } from "../../api/client";
import { ApiError } from "../../api/error";
import { signIn } from "../../api/session";
import { Button, TextField } from "../../components/controls";
import { saying } from "../../components/states";

/** Only paths of this page: an address from outside must not lead elsewhere. */
function safe(next: string | null): string | null {
  return next && /^\/(?![/\\])/.test(next) ? next : null;
}

/** Log-in and registration: the same form with one field more. */
export default function SignIn({ isNew = false }: { isNew?: boolean }) {
  const [params] = useSearchParams();
  const [, go] = useLocation();
  const client = useQueryClient();
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [name, setName] = useState("");
  const [code, setCode] = useState("");
  const [asksCode, setAsksCode] = useState(false);
  const [error, setError] = useState<ApiError | null>(null);
  const [busy, setBusy] = useState(false);
  const wrong = (field: string) => (error?.field === field ? error.message : undefined);

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      const body = { email, password };
      const pair = isNew
        ? await take(api.POST("/api/v1/auth/register", { body: { ...body, name } }))
        : await take(api.POST("/api/v1/auth/login", { body: { ...body, ...(code ? { code } : {}) } }));
      client.clear();
      signIn(pair);
      go(safe(params.get("next")) ?? (isNew ? "/onboarding" : "/trade"), { replace: true });
    } catch (caught) {
      if (caught instanceof ApiError && caught.code === "second_factor_required") setAsksCode(true);
      else setError(caught instanceof ApiError ? caught : new ApiError("unknown", saying(caught)));
    } finally {
      setBusy(false);
    }
  };

  return (
    <form className="panel sign-in" onSubmit={submit}>
      <div className="panel-body stack">
        <h1>{isNew ? "Make an account" : "Sign in"}</h1>
        {isNew && <p className="muted">Trade on paper with 100,000 in minutes. Nothing is charged.</p>}
        {error && !error.field && (
          <p className="banner danger" role="alert">
            {error.message}
          </p>
        )}
        {isNew && (
          <TextField
            label="Name"
            autoComplete="name"
            required
            value={name}
            error={wrong("name")}
            onChange={(event) => setName(event.target.value)}
          />
        )}
        <TextField
          label="E-mail"
          type="email"
          autoComplete="email"
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
          value={password}
          error={wrong("password")}
          hint={isNew ? "At least 12 characters; a sentence is good." : undefined}
          onChange={(event) => setPassword(event.target.value)}
        />
        {asksCode && (
          <TextField
            label="Code of your second factor, or a recovery code"
            inputMode="numeric"
            autoComplete="one-time-code"
            required
            autoFocus
            value={code}
            error={wrong("code")}
            onChange={(event) => setCode(event.target.value)}
          />
        )}
        <Button type="submit" kind="primary" busy={busy}>
          {isNew ? "Make an account" : "Sign in"}
        </Button>
        <p>{isNew ? <Link href="/sign-in">I have one already</Link> : <Link href="/register">Make an account</Link>}</p>
      </div>
    </form>
  );
}
