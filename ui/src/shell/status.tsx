import { useEffect, useState } from "react";
import { clock, zoneName, zoneOf } from "../format/time";
import { useLink } from "../live/market";
import { useInstrument, useSymbol } from "./user";

const SAYS = { idle: "", live: "Live", connecting: "Connecting …", offline: "Disconnected: trying again" } as const;

/** The bottom line: whether the page is connected, the time here and at the exchange. */
export function StatusBar() {
  const link = useLink();
  const venue = useInstrument(useSymbol())?.venue;
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, []);
  const zone = zoneOf(venue);
  return (
    <footer className="status">
      <span className={`link ${link}`} role="status">
        <span aria-hidden="true">{link === "live" ? "●" : link === "idle" ? "" : "○"}</span> {SAYS[link]}
      </span>
      <span className="figures status-end">
        {clock(now)} {zoneName(undefined, now)}
        {venue && (
          <span className="muted">
            {" "}
            · {clock(now, zone)} {zoneName(zone, now)} {venue}
          </span>
        )}
      </span>
      <span className="muted status-keys">
        <kbd>?</kbd> keys
      </span>
    </footer>
  );
}
