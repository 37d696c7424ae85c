import type { UseQueryResult } from "@tanstack/react-query";
import { Link } from "wouter";
import { Button } from "../../components/controls";
import { saying } from "../../components/states";
import { show } from "../../format/number";
import type { Instrument } from "../../shell/user";
import type { Preview } from "./sending";
import { act, type Ticket } from "./ticket-model";
import { Unclear } from "./unclear";
import type { Sender } from "./use-sender";

/** Nobody is signed in, the role does not trade, there is no account yet, or the accounts could not be loaded. */
export type Barred = "stranger" | "role" | "account" | "failed";

export interface FootProps {
  instrument: Instrument;
  ticket: Ticket;
  /** Why nobody can send from here; absent if one can. */
  barred: Barred | null;
  preview: UseQueryResult<Preview>;
  /** Why it cannot be sent as it is, in a sentence. */
  hindrance: string | null;
  /** This very order was taken just now. */
  isJustSent: boolean;
  sender: Sender;
  onSend: () => void;
  isOneClick: boolean;
}

/** The button that names the act, and what became of it. */
export function Foot(props: FootProps) {
  const { instrument, ticket, barred, preview, sender, onSend, isOneClick, hindrance, isJustSent } = props;
  const { now } = sender;
  if (barred) {
    return (
      <div className="ticket-foot">
        {barred === "stranger" && (
          <Link href={`/sign-in?next=${encodeURIComponent(`/trade/${instrument.symbol}`)}`} className="button primary">
            Sign in to trade
          </Link>
        )}
        {barred === "account" && (
          <Link href="/onboarding" className="button primary">
            Open a paper account to trade
          </Link>
        )}
        {barred === "role" && <p className="muted">Your role watches; it does not trade.</p>}
        {barred === "failed" && (
          <p className="muted">Your accounts could not be loaded, so that nothing can be sent.</p>
        )}
      </div>
    );
  }
  return (
    <div className="ticket-foot">
      {isOneClick && (
        <p className="banner warn one-click" role="status">
          One-click is on: a click on the ladder sends {show(ticket.qty)} at once.
        </p>
      )}
      {now.state === "unclear" ? (
        <Unclear sender={sender} />
      ) : (
        <Button
          className="ticket-send"
          kind={ticket.side === "buy" ? "buy-side" : "sell-side"}
          busy={now.state === "busy"}
          disabled={hindrance !== null || isJustSent}
          onClick={onSend}
          // Enter that is held presses the button again and again: it is one press.
          onKeyDown={(event) => event.repeat && event.preventDefault()}
          aria-keyshortcuts="Control+Enter"
        >
          {isJustSent ? "Sent" : act(ticket, instrument.symbol)}
        </Button>
      )}
      <p className="ticket-told" role="status">
        {now.state === "busy" && "Sending …"}
        {now.state === "taken" && now.text}
        {now.state === "refused" && <span className="danger">{saying(now.error)}</span>}
        {hindrance && now.state !== "busy" && <span className="muted"> {hindrance}</span>}
        {!hindrance && now.state === "idle" && (
          <span className="muted">
            {preview.data?.needs_authorization ? "It will ask for your second factor." : "Ctrl+Enter sends it."}
          </span>
        )}
      </p>
    </div>
  );
}
