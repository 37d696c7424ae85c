import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { Component, lazy, type ReactNode, Suspense, useEffect } from "react";
import { Redirect, Route, Switch, useLocation } from "wouter";
import { ApiError } from "../api/error";
import { Notices } from "../components/notices";
import { Empty, Failed, Loading } from "../components/states";
import { useAccountEvents } from "../live/account";
import { Banners } from "./banners";
import { Header } from "./header";
import { Keys } from "./keys";
import { useApplyPreferences } from "./preferences";
import { StatusBar } from "./status";
import { useAccount, useSession } from "./user";

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      retry: (failures, error) => failures < 2 && error instanceof ApiError && error.isPassing,
      refetchOnWindowFocus: true,
      staleTime: 5_000,
    },
  },
});

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
  return children;
}

/** What a page that broke leaves: a sentence, and a way on. */
class Guarded extends Component<{ children: ReactNode; path: string }, { error: unknown }> {
  override state = { error: null as unknown };
  static getDerivedStateFromError(error: unknown) {
    return { error };
  }
  override componentDidUpdate(before: { path: string }) {
    if (before.path !== this.props.path && this.state.error) this.setState({ error: null });
  }
  override render() {
    if (this.state.error) return <Failed error={this.state.error} retry={() => this.setState({ error: null })} />;
    return this.props.children;
  }
}

/** A reader of the page hears where it is. */
function Titled({ title, children }: { title: string; children: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · Tidegate`;
  }, [title]);
  return children;
}

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
            {(params) => (
              <Titled title={params.symbol ?? "Trade"}>
                <Trade {...(params.symbol ? { symbol: decodeURIComponent(params.symbol) } : {})} />
              </Titled>
            )}
          </Route>
          <Route path="/market">
            <Titled title="Market">
              <Market />
            </Titled>
          </Route>
          <Route path="/sign-in">
            <Titled title="Sign in">
              <SignIn />
            </Titled>
          </Route>
          <Route path="/register">
            <Titled title="Register">
              <SignIn isNew />
            </Titled>
          </Route>
          {(["verify-email", "reset-password", "join"] as const).map((name) => (
            <Route key={name} path={`/${name}`}>
              <Titled title="Tidegate">
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
            <Empty title="There is no such page">
              <a href="/trade">To the market</a>
            </Empty>
          </Route>
        </Switch>
      </Suspense>
    </Guarded>
  );
}

function Events() {
  useAccountEvents(useAccount()?.id);
  useApplyPreferences();
  return null;
}

export function App() {
  return (
    <QueryClientProvider client={queries}>
      <a className="skip" href="#main">
        Skip to content
      </a>
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
      <Notices />
    </QueryClientProvider>
  );
}
