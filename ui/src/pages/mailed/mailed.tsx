import { useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useEffect, useState } from "react";
import { Link } from "wouter";
import { api, take } from "../../api/client";
import { ApiError } from "../../api/error";
import { signIn } from "../../api/session";
import { TextField } from "../../components/controls";
import { Form } from "../../components/form";
import { useMe, useSession } from "../../shell/user";
import "../sign-in/sign-in.css";

type What = "verify-email" | "reset-password" | "join";

const TITLES: Record<What, string> = {
  "verify-email": "Is this your address?",
  "reset-password": "A new password",
  join: "Join an organisation?",
};

/**
 * Takes what was mailed. The token stands in the address behind `#`, which no server sees, and is taken out of it at once. Nothing is
 * sent before a button is pressed: programs open the links of mails too.
 */
export default function Mailed({ what }: { what: What }) {
  const [given] = useState(() => new URLSearchParams(location.hash.slice(1)).get("token") ?? "");
  const [typed, setTyped] = useState("");
  useEffect(() => {
    if (location.hash) history.replaceState(null, "", location.pathname);
  }, []);
  const Content = { "verify-email": Verify, "reset-password": Reset, join: Join }[what];
  return (
    <div className="panel sign-in">
      <div className="panel-body stack">
        <h1>{TITLES[what]}</h1>
        <Content
          token={given || typed.trim()}
          field={
            !given && (
              <TextField
                label="Token of the mail"
                hint="It stands in the link. The whole link in the mail brings it by itself."
                autoComplete="off"
                spellCheck={false}
                required
                value={typed}
                onChange={(event) => setTyped(event.target.value)}
              />
            )
          }
        />
      </div>
    </div>
  );
}

interface TakesToken {
  token: string;
  /** To type the token, where the link did not bring it. */
  field: ReactNode;
}

function Done({ children, to, go }: { children: ReactNode; to: string; go: string }) {
  return (
    <>
      <p role="status">{children}</p>
      <Link href={to} className="button primary">
        {go}
      </Link>
    </>
  );
}

function Verify({ token, field }: TakesToken) {
  const [done, setDone] = useState(false);
  const client = useQueryClient();
  const isIn = useSession().status === "in";
  if (done) {
    return isIn ? (
      <Done to="/onboarding" go="Go on">
        Your address is verified.
      </Done>
    ) : (
      <Done to="/sign-in" go="Sign in">
        Your address is verified.
      </Done>
    );
  }
  return (
    <Form
      label={TITLES["verify-email"]}
      button="Yes, it is mine"
      onSubmit={async () => {
        await take(api.POST("/api/v1/auth/email/verify", { body: { token } }));
        await client.invalidateQueries();
        setDone(true);
      }}
    >
      {() => field}
    </Form>
  );
}

function Reset({ token, field }: TakesToken) {
  const [password, setPassword] = useState("");
  const [done, setDone] = useState(false);
  if (done) {
    return (
      <Done to="/sign-in" go="Sign in">
        Your password is set, and all sessions have ended. Sign in with the new one.
      </Done>
    );
  }
  return (
    <Form
      label={TITLES["reset-password"]}
      button="Set it"
      onSubmit={async () => {
        await take(api.POST("/api/v1/auth/password/reset", { body: { token, password } }));
        setDone(true);
      }}
    >
      {(wrong) => (
        <>
          {field}
          <TextField
            label="New password"
            type="password"
            autoComplete="new-password"
            required
            minLength={10}
            hint="At least 10 characters; a sentence is good."
            value={password}
            error={wrong("password")}
            onChange={(event) => setPassword(event.target.value)}
          />
        </>
      )}
    </Form>
  );
}

function Join({ token, field }: TakesToken) {
  const { status } = useSession();
  const me = useMe().data;
  const client = useQueryClient();
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [code, setCode] = useState("");
  const [asksCode, setAsksCode] = useState(false);
  const [done, setDone] = useState(false);
  if (done) {
    return (
      <Done to="/settings#organisations" go="See the organisation">
        You have joined.
      </Done>
    );
  }
  const isIn = status === "in";
  const join = async () => {
    if (!isIn) {
      try {
        const body = { email, password, ...(code ? { code } : {}) };
        signIn(await take(api.POST("/api/v1/auth/login", { body })));
      } catch (error) {
        if (!(error instanceof ApiError) || error.code !== "second_factor_required") throw error;
        return setAsksCode(true);
      }
    }
    await take(api.POST("/api/v1/organisations/join", { body: { token } }));
    await client.invalidateQueries();
    setDone(true);
  };
  return (
    <>
      <p>Its owners and admins will see your accounts.</p>
      {isIn && me && (
        <p className="muted">
          You are signed in as {me.name} ({me.email}). The invitation is good for the address that it was mailed to.
        </p>
      )}
      <Form
        label={TITLES.join}
        button={isIn ? "Join" : "Sign in and join"}
        onSubmit={join}
        beside={
          <Link href="/trade" className="button plain">
            Not now
          </Link>
        }
      >
        {(wrong) => (
          <>
            {field}
            {!isIn && (
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
                  autoComplete="current-password"
                  required
                  value={password}
                  error={wrong("password")}
                  onChange={(event) => setPassword(event.target.value)}
                />
              </>
            )}
            {asksCode && !isIn && (
              <TextField
                label="Code of your second factor"
                autoComplete="one-time-code"
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
      {!isIn && (
        <p className="sign-in-other">
          New here? <Link href="/register">Make an account</Link> with the address of the mail, then open its link
          again.
        </p>
      )}
    </>
  );
}
