import { useEffect, useMemo, useState } from "react";
import { Button } from "../../components/controls";
import { Dialog } from "../../components/dialog";
import { tell } from "../../components/notices";
import { Loading, saying } from "../../components/states";
import { sign } from "../../format/number";
import type { Order, Position } from "../../live/account";
import { useQuoteText } from "../../live/market";
import type { Instrument } from "../../shell/user";
import { AuthorizeNow } from "./authorize";
import { ExitFields } from "./fields";
import { described } from "./sending";
import { exitsOf, misplaced, NO_EXITS } from "./ticket-model";
import { Unclear } from "./unclear";
import { usePreview } from "./use-preview";
import { useSender } from "./use-sender";
import { WhatIf } from "./what-if";

interface ExitsProps {
  account: string;
  instrument: Instrument;
  /** As it stands now; of nothing once it is closed. */
  position: Position;
  /** Orders of the account that work. */
  working: Order[];
  onClose: () => void;
}

/** Exits for a position that is there: a take profit, a stop loss, or both, of which one cancels the other. */
export function ExitsDialog({ account, instrument, position, working, onClose }: ExitsProps) {
  const { symbol, qty } = position;
  const isLong = sign(qty) > 0;
  const side = isLong ? "sell" : "buy";
  const [exits, set] = useState(NO_EXITS);
  const sender = useSender(account);
  const { now } = sender;
  // What an order of the exits' side would be executed at now.
  const touch = useQuoteText(symbol, (quote) => (isLong ? quote?.bid_price : quote?.ask_price));
  const from = touch ?? position.mark_price;
  const whose = touch ? `the best ${isLong ? "bid" : "offer"}` : "its mark";
  const wrong = misplaced(isLong ? "buy" : "sell", exits, from, `a ${isLong ? "long" : "short"} position`, whose);
  const order = useMemo(() => exitsOf(account, symbol, qty, exits), [account, symbol, qty, exits]);
  const body = wrong ? null : order;
  const { preview, isOfBefore, stopped } = usePreview(body, symbol, account);
  const isClosed = sign(qty) === 0;
  const hindrance = isClosed
    ? `${symbol} is not held any more.`
    : (stopped ?? wrong ?? (order ? null : "Give a take profit or a stop loss."));
  const others = working.some((one) => one.symbol === symbol && one.side === side);

  const taken = now.state === "taken" ? now.text : null;
  useEffect(() => {
    if (taken === null) return;
    tell(taken);
    onClose();
  }, [taken, onClose]);

  const name = body ? described(body) : `${side} ${symbol}`;
  return (
    <>
      <Dialog title={`Exits for ${symbol}`} onClose={onClose}>
        <div className="stack">
          <p>
            {isClosed
              ? "The position is closed."
              : "They close the whole position, and stay until they are canceled. If both are given, one cancels the other."}
          </p>
          {others && (
            <p className="banner warn">
              Orders that {side} {symbol} already work. Together with these they may {side} more than the position.
            </p>
          )}
          <ExitFields
            terms={instrument}
            exits={exits}
            near={() => from}
            onChange={(change) => {
              sender.clear();
              set((before) => ({ ...before, ...change }));
            }}
          />
          {body && preview.error && (
            <p className="banner danger" role="alert">
              {saying(preview.error)}
            </p>
          )}
          {body && preview.isLoading && <Loading rows={3} />}
          {body && preview.data && !preview.error && (
            <WhatIf
              preview={preview.data}
              at={preview.dataUpdatedAt}
              isOfBefore={isOfBefore}
              // The other side of what is held is free of charge to some extent.
              reservesAll={false}
            />
          )}
          <p className="ticket-told" role="status">
            {now.state === "busy" && "Sending …"}
            {now.state === "refused" && <span className="danger">{saying(now.error)}</span>}
            {hindrance && now.state !== "busy" && <span className="muted"> {hindrance}</span>}
          </p>
          {now.state === "unclear" ? (
            <Unclear sender={sender} />
          ) : (
            <div className="row">
              <Button
                kind={`${side}-side`}
                busy={now.state === "busy"}
                disabled={hindrance !== null || !body}
                onClick={() => body && sender.send(body, isOfBefore ? undefined : preview.data)}
                // Enter that is held presses the button again and again: it is one press.
                onKeyDown={(event) => event.repeat && event.preventDefault()}
              >
                {name.charAt(0).toUpperCase() + name.slice(1)}
              </Button>
              <Button onClick={onClose}>Leave it</Button>
            </div>
          )}
        </div>
      </Dialog>
      <AuthorizeNow sender={sender} />
    </>
  );
}
