import { useEffect, useRef, useState } from "react";
import { Link, useLocation } from "wouter";
import { signOut } from "../api/session";
import { Button } from "../components/controls";
import { tellError } from "../components/notices";
import { openPalette } from "./palette";
import {
  chooseAccount,
  type Permission,
  type Theme,
  useAccount,
  useAccounts,
  useMe,
  useSession,
  useTheme,
} from "./user";

interface Place {
  path: string;
  title: string;
  /** Pressed after `g`. */
  key: string;
  /** Who sees it: whoever has one of these permissions; absent: everybody. */
  needs?: readonly Permission[];
}

export const PLACES: Place[] = [
  { path: "/trade", title: "Trade", key: "t" },
  { path: "/market", title: "Market", key: "m" },
  { path: "/portfolio", title: "Portfolio", key: "p", needs: ["accounts:read"] },
  { path: "/risk", title: "Risk", key: "r", needs: ["risk:read"] },
  { path: "/system", title: "System", key: "y", needs: ["risk:read"] },
  {
    path: "/admin",
    title: "Admin",
    key: "a",
    // One for each of its parts.
    needs: ["users:admin", "accounts:read_all", "instruments:admin", "audit:read"],
  },
];

/** Whether somebody with these permissions sees a place. */
export function isFor({ needs }: Pick<Place, "needs">, permissions: readonly Permission[] = []): boolean {
  return !needs || needs.some((one) => permissions.includes(one));
}

export function Header() {
  const [path] = useLocation();
  const me = useMe().data;
  const { status } = useSession();
  const seen = PLACES.filter((place) => isFor(place, me?.permissions));
  return (
    <header className="header">
      <Link href="/trade" className="brand" aria-label="Tidegate, to the market">
        <img src="/icon.svg" alt="" width="22" height="22" />
        <span>Tidegate</span>
      </Link>
      <nav className="places" aria-label="Pages">
        {seen.map((place) => (
          <Link key={place.path} href={place.path} aria-current={path.startsWith(place.path) ? "page" : undefined}>
            {place.title}
          </Link>
        ))}
      </nav>
      {status === "in" && <AccountChoice />}
      {status === "out" && (
        <Link href="/sign-in" className="button primary">
          Sign in
        </Link>
      )}
      <div className="header-end">
        <Button
          kind="plain"
          onClick={openPalette}
          aria-label="Find a symbol or a page"
          aria-keyshortcuts="/"
          className="find"
        >
          <span aria-hidden="true">⌕</span> <span className="find-text">Find</span> <kbd>/</kbd>
        </Button>
        <UserMenu />
      </div>
    </header>
  );
}

function AccountChoice() {
  const accounts = useAccounts().data;
  const account = useAccount();
  if (!accounts || accounts.length === 0) return null;
  return (
    <select
      className="input account-choice"
      aria-label="Account"
      value={account?.id}
      onChange={(event) => chooseAccount(event.target.value)}
    >
      {accounts.map((one) => (
        <option key={one.id} value={one.id}>
          {one.name} ({one.kind})
        </option>
      ))}
    </select>
  );
}

function UserMenu() {
  const me = useMe().data;
  const { status } = useSession();
  const [theme, setTheme] = useTheme();
  const [open, setOpen] = useState(false);
  const [path] = useLocation();
  const box = useRef<HTMLDivElement>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another page closes the menu
  useEffect(() => setOpen(false), [path]);
  useEffect(() => {
    if (!open) return;
    const close = (event: Event) => {
      if (!box.current?.contains(event.target as Node)) setOpen(false);
    };
    const closeByKey = (event: KeyboardEvent) => {
      if (event.key !== "Escape") return;
      // The key has done its work: the page does not see it.
      event.preventDefault();
      setOpen(false);
      if (box.current?.contains(document.activeElement)) box.current.querySelector("button")?.focus();
    };
    document.addEventListener("pointerdown", close);
    document.addEventListener("keydown", closeByKey);
    return () => {
      document.removeEventListener("pointerdown", close);
      document.removeEventListener("keydown", closeByKey);
    };
  }, [open]);
  return (
    <div className="menu" ref={box}>
      <Button kind="plain" aria-expanded={open} aria-label="Menu" onClick={() => setOpen(!open)}>
        {me?.name?.slice(0, 1).toUpperCase() || "☰"}
      </Button>
      {open && (
        <div className="menu-body">
          {me && (
            <p>
              <strong>{me.name}</strong>
              <br />
              <span className="muted">{me.email}</span>
            </p>
          )}
          {status === "in" && (
            <>
              <Link href="/settings">Settings</Link>
              <Link href="/onboarding">Get started</Link>
            </>
          )}
          <a href="/docs">API reference</a>
          <label className="menu-theme">
            Theme
            <select className="input" value={theme} onChange={(event) => setTheme(event.target.value as Theme)}>
              <option value="system">System</option>
              <option value="light">Light</option>
              <option value="dark">Dark</option>
            </select>
          </label>
          {status === "in" && <Button onClick={() => void signOut().catch(tellError)}>Sign out</Button>}
        </div>
      )}
    </div>
  );
}
