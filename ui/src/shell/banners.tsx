import { Link, useLocation } from "wouter";
import type { Schemas } from "../api/client";
import { useRiskChanges, useStopped } from "../live/risk";
import { useAccount, useMay, useSession, useSymbol } from "./user";

/** What nobody may overlook, whatever page is open: between the header and the page. */
export function Banners() {
  return (
    <div className="banners">
      <Ended />
      <Stopped />
    </div>
  );
}

/** The session was ended by the gateway. */
function Ended() {
  const { ended } = useSession();
  const [path] = useLocation();
  if (!ended || path === "/sign-in") return null;
  return (
    <p className="banner warn" role="status">
      Your session has ended. <Link href={`/sign-in?next=${encodeURIComponent(path)}`}>Sign in to go on</Link>
    </p>
  );
}

/** A kill switch of the firm, of the account or of the symbol that is looked at. */
function Stopped() {
  const mayRead = useMay("risk:read");
  const account = useAccount();
  const symbol = useSymbol();
  useRiskChanges(mayRead);
  const kills = useStopped(mayRead).data?.kills?.filter((kill) => kill.engaged) ?? [];
  const what = (kill: Schemas["Kill"]): string | null => {
    const scope = kill.scope;
    if (scope?.kind === "firm") return "The firm is stopped.";
    if (scope?.kind === "account" && scope.account === account?.id) return `Account ${account?.name} is stopped.`;
    if (scope?.kind === "instrument" && scope.symbol === symbol) return `${symbol} is stopped.`;
    return null;
  };
  if (!mayRead) return null;
  return kills.map((kill) => {
    const said = what(kill);
    return (
      said && (
        <p key={said} className="banner danger" role="alert">
          <strong>{said}</strong>
          <span>
            {kill.mode === "reduce_only" ? "Only orders that reduce a position pass." : "No order passes."}{" "}
            {kill.reason}
            {kill.by ? `, ${kill.by}` : ""}
          </span>
        </p>
      )
    );
  });
}
