import { QueryClientProvider } from "@tanstack/react-query";
import { Component, Fragment, lazy, type ReactNode, Suspense, useEffect, useRef, useState } from "react";
import { Redirect, Route, Switch, useLocation, useSearchParams } from "wouter";
import { Button } from "../components/controls";
import { Notices, tellError } from "../components/notices";
import { Loading, saying } from "../components/states";
import { useAccountEvents } from "../live/account";
import { Banners } from "./banners";
import { Header } from "./header";
import { Keys } from "./keys";
import { useApplyPreferences } from "./preferences";
import { queries } from "./queries";
import { safe } from "./safe";
import { StatusBar } from "./status";
import { useAccounts, useInstruments, useMe, useSession, useZone } from "./user";

const Trade = lazy(() => import("../pages/trade/trade"));
const Portfolio = lazy(() => import("../pages/portfolio/portfolio"));
const Risk = lazy(() => import("../pages/risk/risk"));
const System = lazy(() => import("../pages/system/system"));
const Market = lazy(() => import("../pages/market/market"));
const Settings = lazy(() => import("../pages/settings/settings"));
const Onboarding = lazy(() => import("../pages/onboarding/onboarding"));
const Admin = lazy(() => import("../pages/admin/admin"));
const SignIn = lazy(() => import("../pages/sign-in/sign-in"));
const Mailed = lazy(() => import("../pages/mailed/mailed"));

/** A page that only those who are signed in can see; others sign in and come back to it. */
function Own({ children }: { children: ReactNode }) {
  const { status } = useSession();
  const [path] = useLocation();
  if (status === "starting") return <Loading />;
  if (status === "out") return <Redirect to={`/sign-in?next=${encodeURIComponent(path)}`} replace />;
  return <OfUser>{children}</OfUser>;
}

/** What one user typed is not there for the next: the page is made anew when its user leaves. A stranger who signs in goes on. */
function OfUser({ children }: { children: ReactNode }) {
  const { user } = useSession();
  const [seat, setSeat] = useState({ user, left: 0 });
  if (seat.user !== user) setSeat({ user, left: seat.user === null ? seat.left : seat.left + 1 });
  return <Fragment key={seat.left}>{children}</Fragment>;
}

/** A page to sign in on: who is signed in already goes on. */
function ForStrangers({ children }: { children: ReactNode }) {
  const { status } = useSession();
  const [params] = useSearchParams();
  if (status === "starting") return <Loading />;
  if (status === "in") return <Redirect to={safe(params.get("next")) ?? "/trade"} replace />;
  return children;
}

/**
 * What a page that broke leaves: a sentence, and a way on. It is loaded anew as a whole, for React keeps a part that could not be
 * loaded.
 */
class Guarded extends Component<{ children: ReactNode; path?: string }, { error: unknown }> {
  override state = { error: null as unknown };
  static getDerivedStateFromError(error: unknown) {
    return { error };
  }
  override componentDidUpdate(before: { path?: string }) {
    if (before.path !== this.props.path && this.state.error) this.setState({ error: null });
  }
  override render() {
    if (!this.state.error) return this.props.children;
    return (
      <div className="state" role="alert">
        <h1>This page could not be shown</h1>
        <span>{saying(this.state.error)}</span>
        <span>There may be a new version of Tidegate, which comes with a reload.</span>
        <Button onClick={() => location.reload()}>Reload</Button>
      </div>
    );
  }
}

/** The page that was shown last, by the first part of its path: symbols share one. */
let shown: string | undefined;

/** A reader of the page hears where it is, and the keyboard goes on from its head. */
function Titled({ title, children }: { title: string; children: ReactNode }) {
  const page = useLocation()[0].split("/")[1];
  useEffect(() => {
    document.title = `${title} · Tidegate`;
    const announced = document.getElementById("announced");
    // The browser itself tells the title of the first page.
    if (announced && shown !== undefined) announced.textContent = title;
  }, [title]);
  useEffect(() => {
    const before = shown;
    shown = page;
    if (before === undefined || before === page || document.activeElement?.matches("input, textarea, select")) return;
    const main = document.getElementById("main");
    // A page that is still loading has no head yet.
    const head = main?.querySelector("h1") ?? main;
    if (!head) return;
    head.tabIndex = -1;
    head.focus({ preventScroll: true });
  }, [page]);
  return children;
}

/**
 * The symbol that stands in the address. It is decoded here, once: the router's own path is decoded but in part. What cannot be decoded
 * is a symbol that there is not.
 */
function symbolInAddress(): string | undefined {
  const symbol = location.pathname.split("/")[2];
  try {
    return symbol && decodeURIComponent(symbol);
  } catch {
    return symbol;
  }
}

function TradeInAddress() {
  const instruments = useInstruments().data;
  const symbol = symbolInAddress();
  const isKnown = (name: string) => instruments?.some((one) => one.symbol === name);
  const upper = symbol?.toUpperCase();
  if (symbol && upper && !isKnown(symbol) && isKnown(upper)) {
    return <Redirect to={`/trade/${encodeURIComponent(upper)}`} replace />;
  }
  return (
    <Titled title={symbol || "Trade"}>
      <OfUser>
        <Trade {...(symbol ? { symbol } : {})} />
      </OfUser>
    </Titled>
  );
}

const MAILED = {
  "verify-email": "Verify your address",
  "reset-password": "A new password",
  join: "Join an organisation",
} as const;

function Pages() {
  const [path] = useLocation();
  return (
    <Guarded path={path}>
      <Suspense fallback={<Loading rows={8} />}>
        <Switch>
          <Route path="/">
            <Redirect to="/trade" replace />
          </Route>
          <Route path="/trade/:symbol?">
            <TradeInAddress />
          </Route>
          <Route path="/market">
            <Titled title="Market">
              <OfUser>
                <Market />
              </OfUser>
            </Titled>
          </Route>
          <Route path="/sign-in">
            <ForStrangers>
              <Titled title="Sign in">
                <SignIn />
              </Titled>
            </ForStrangers>
          </Route>
          <Route path="/register">
            <ForStrangers>
              <Titled title="Register">
                <SignIn isNew />
              </Titled>
            </ForStrangers>
          </Route>
          {(["verify-email", "reset-password", "join"] as const).map((name) => (
            <Route key={name} path={`/${name}`}>
              <Titled title={MAILED[name]}>
                <Mailed what={name} />
              </Titled>
            </Route>
          ))}
          {(
            [
              ["/portfolio", "Portfolio", Portfolio],
              ["/risk", "Risk", Risk],
              ["/system", "System", System],
              ["/settings", "Settings", Settings],
              ["/onboarding", "Get started", Onboarding],
              ["/admin", "Admin", Admin],
            ] as const
          ).map(([at, title, Page]) => (
            <Route key={at} path={at}>
              <Own>
                <Titled title={title}>
                  <Page />
                </Titled>
              </Own>
            </Route>
          ))}
          <Route>
            <Titled title="There is no such page">
              <div className="state">
                <h1>There is no such page</h1>
                <a href="/trade">To the market</a>
              </div>
            </Titled>
          </Route>
        </Switch>
      </Suspense>
    </Guarded>
  );
}

/** Says so where another tab made this one somebody else's: whoever sits here may not have seen it. */
function useTellOfOther(): void {
  const { user, fromOtherTab } = useSession();
  const { data: me, error } = useMe();
  const before = useRef(user);
  useEffect(() => {
    if (!user || (!me && !error)) return;
    if (fromOtherTab && before.current && before.current !== user) {
      // It stays until it is put away: nobody looks at this tab now.
      tellError(`You are signed in as ${me?.name ?? "somebody else"} now, in another tab.`);
    }
    before.current = user;
  }, [user, fromOtherTab, me, error]);
}

function Events() {
  useAccountEvents(useAccounts().data ?? []);
  useApplyPreferences();
  useTellOfOther();
  return null;
}

function Shell() {
  // All times are drawn anew in another zone.
  useZone();
  return (
    <>
      <a className="skip" href="#main">
        Skip to content
      </a>
      <p id="announced" className="unseen" aria-live="polite" />
      <Events />
      <Keys />
      <div className="app">
        <div>
          <Header />
          <Banners />
        </div>
        <main id="main" className="main" tabIndex={-1}>
          <Pages />
        </main>
        <StatusBar />
      </div>
    </>
  );
}

export function App() {
  return (
    <QueryClientProvider client={queries}>
      <Guarded>
        <Shell />
      </Guarded>
      <Notices />
    </QueryClientProvider>
  );
}
