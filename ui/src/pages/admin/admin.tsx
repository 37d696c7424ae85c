import type { ReactNode } from "react";
import { Link } from "wouter";
import { Empty, Loading } from "../../components/states";
import { useHash } from "../../shell/hash";
import { type Permission, useMe } from "../../shell/user";
import { Accounts } from "./accounts";
import { Audit } from "./audit";
import { Instruments } from "./instruments";
import { Users } from "./users";
import "./admin.css";

const PARTS: readonly [id: string, title: string, needs: Permission, content: () => ReactNode][] = [
  ["users", "Users", "users:admin", () => <Users />],
  ["accounts", "Accounts", "accounts:read_all", () => <Accounts />],
  ["instruments", "Instruments", "instruments:admin", () => <Instruments />],
  ["audit", "Audit log", "audit:read", () => <Audit />],
];

/** The house's own matters, as far as one's role goes. */
export default function Admin() {
  const me = useMe().data;
  const wanted = useHash();
  if (!me) return <Loading rows={10} />;
  const parts = PARTS.filter(([, , needs]) => me.permissions.includes(needs));
  const part = parts.find(([id]) => id === wanted) ?? parts[0];
  if (!part) {
    return (
      <Empty title="Not for your role">
        <Link href="/trade">To the market</Link>
      </Empty>
    );
  }
  return (
    <div className="page admin">
      <header className="admin-head">
        <h1>Admin</h1>
        <nav className="tabs" aria-label="Parts of the administration">
          {parts.map(([id, title]) => (
            <a key={id} href={`#${id}`} aria-current={id === part[0] ? "page" : undefined}>
              {title}
            </a>
          ))}
          {me.permissions.includes("risk:read") && <Link href="/risk">Risk proposals ↗</Link>}
        </nav>
      </header>
      {part[3]()}
    </div>
  );
}
