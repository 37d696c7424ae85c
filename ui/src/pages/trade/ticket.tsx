import { memo, type Ref, type RefObject, useState } from "react";
import { Button, Segments, Select, TextField } from "../../components/controls";
import { placing } from "../../components/form";
import { Loading, saying } from "../../components/states";
import { show } from "../../format/number";
import { priceText } from "../../format/price";
import { type Quote, useQuote } from "../../live/market";
import type { Instrument } from "../../shell/user";
import { ALGORITHMS, type Algorithm, isAlgorithm } from "./algorithm";
import { AlgorithmFields } from "./algorithm-fields";
import { ExitFields, LotsField, PriceField } from "./fields";
import { SizeFields } from "./size-fields";
import { Foot, type FootProps } from "./ticket-foot";
import {
  EMPTY,
  has,
  isOptional,
  isPaper,
  mayRest,
  type OrderType,
  retyped,
  TIMES,
  type Ticket,
  TYPES,
  workedBy,
} from "./ticket-model";
import type { Sender } from "./use-sender";
import { WhatIf } from "./what-if";

interface TicketProps extends FootProps {
  change: (next: Partial<Ticket>) => void;
  /** The preview is of the order as it was before the last change. */
  isOfBefore: boolean;
  /** Of `WhatIf`. */
  reservesAll: boolean;
  /** There is no order yet that a preview could be of. */
  isIncomplete: boolean;
  /** The newest quote, for who fills in a price. */
  quote: RefObject<Quote | undefined>;
  setOneClick: (on: boolean) => void;
  /** Orders of this symbol need an authorization, so that none goes out by a click. */
  neverOneClick: boolean;
  qtyRef: Ref<HTMLInputElement>;
}

/** Names of fields of the API, by those of the ticket. */
const FIELDS: Partial<Record<keyof Ticket, string>> = {
  type: "type",
  tif: "time_in_force",
  qty: "qty",
  limit: "limit_price",
  stop: "stop_price",
  offset: "offset",
  peg: "peg",
  expireAt: "expire_at",
  display: "display_qty",
  min: "min_qty",
  postOnly: "post_only",
  startAt: "start_at",
  endAt: "end_at",
  every: "interval_ms",
  slice: "slice_qty",
  rate: "rate_bp",
  curve: "curve",
};

/** The order that is being made: its terms, what it would do, and the button that sends it. */
export const TicketForm = memo(function TicketForm(props: TicketProps) {
  const { instrument, ticket, change, preview, sender, onSend, quote, qtyRef } = props;
  const { symbol } = instrument;
  const paper = isPaper(instrument);
  const refused = sender.now.state === "refused" ? sender.now.error : null;
  const [isMoreOpen, setMoreOpen] = useState(false);
  // Why an order was refused is said at the foot in any case; why its preview was, only here.
  const ofRefused = placing(refused);
  const ofPreview = placing(preview.error);
  const wrong = (name: keyof Ticket): string | undefined => {
    const field = name === "trail" ? `trail_${ticket.trailBy}` : FIELDS[name];
    // The gateway does not say of which leg of a bracket a field is: none of them is marked.
    if (!field || ticket.isBracket) return undefined;
    const [sent, asked] = [ofRefused.wrong(field), ofPreview.wrong(field)];
    return sent ?? asked;
  };
  const priced = { terms: instrument, near: () => near(quote.current, ticket.side) };
  const price = (name: "limit" | "stop", label: string) => (
    <PriceField
      label={label}
      placeholder={ticket.algorithm || isOptional(ticket.type, name) ? "optional" : undefined}
      value={ticket[name]}
      error={wrong(name)}
      onChange={(text) => change({ [name]: text })}
      {...priced}
    />
  );
  const lots = (name: "qty" | "display" | "min", label: string, ref?: Ref<HTMLInputElement>) => (
    <LotsField
      label={label}
      lot={instrument.order_lot}
      value={ticket[name]}
      error={wrong(name)}
      ref={ref}
      onChange={(text) => change({ [name]: text })}
    />
  );
  const chooseType = (type: OrderType | Algorithm) => {
    if (isAlgorithm(type)) return change(workedBy(ticket, type));
    const next = retyped(ticket, type);
    const needs = has(type, "limit") && !isOptional(type, "limit") && !(next.limit ?? ticket.limit);
    const from = needs && near(quote.current, ticket.side);
    change({ ...next, ...(from ? { limit: priceText(instrument, from) } : {}) });
  };

  return (
    <form className="ticket" aria-label={`Order ticket of ${symbol}`} onSubmit={(event) => event.preventDefault()}>
      <div className="ticket-fields">
        <div className="ticket-sides">
          <Segments
            label="Side"
            value={ticket.side}
            options={[
              ["buy", "Buy"],
              ["sell", "Sell"],
            ]}
            onChange={(side) => change({ side })}
          />
        </div>
        <div className="ticket-pair">
          <Select
            label="Type"
            value={ticket.algorithm || ticket.type}
            error={wrong("type")}
            options={[...(paper ? TYPES.filter(([type]) => type !== "pegged") : TYPES), ...ALGORITHMS]}
            onChange={chooseType}
          />
          <Select
            label="Time in force"
            value={ticket.tif}
            error={wrong("tif")}
            options={timesOf(ticket, paper)}
            onChange={(tif) => change({ tif })}
          />
        </div>
        <div className="ticket-pair">
          {lots("qty", "Quantity", qtyRef)}
          {has(ticket.type, "limit") && price("limit", "Limit price")}
          {has(ticket.type, "stop") && price("stop", ticket.type.includes("touched") ? "Touch price" : "Stop price")}
          {has(ticket.type, "trail") && (
            <>
              <TextField
                label={ticket.trailBy === "amount" ? "Trails by" : "Trails by %"}
                inputMode="decimal"
                autoComplete="off"
                className="figures"
                value={ticket.trail}
                error={wrong("trail")}
                onChange={(event) => change({ trail: event.target.value.trim() })}
              />
              <Select
                label="In"
                value={ticket.trailBy}
                options={[
                  ["amount", instrument.currency],
                  ["percent", "Per cent"],
                ]}
                onChange={(trailBy) => change({ trailBy })}
              />
            </>
          )}
          {has(ticket.type, "peg") && (
            <Select
              label="Follows"
              value={ticket.peg}
              error={wrong("peg")}
              options={[
                ["primary", "Own side"],
                ["market", "Other side"],
                ["mid", "Middle"],
              ]}
              onChange={(peg) => change({ peg })}
            />
          )}
          {has(ticket.type, "offset") && (
            <TextField
              label={ticket.type === "pegged" ? "Offset" : "Limit from stop"}
              inputMode="decimal"
              autoComplete="off"
              className="figures"
              placeholder={isOptional(ticket.type, "offset") ? "optional" : undefined}
              value={ticket.offset}
              error={wrong("offset")}
              onChange={(event) => change({ offset: event.target.value.trim() })}
            />
          )}
          {ticket.tif === "gtd" && (
            <TextField
              label="Ends"
              type="datetime-local"
              value={ticket.expireAt}
              error={wrong("expireAt")}
              onChange={(event) => change({ expireAt: event.target.value })}
            />
          )}
        </div>
        {ticket.algorithm && (
          <AlgorithmFields
            algorithm={ticket.algorithm}
            work={ticket}
            lot={instrument.order_lot}
            wrong={wrong}
            onChange={change}
          />
        )}
        <details className="ticket-more">
          <summary>Size by amount</summary>
          <SizeFields
            instrument={instrument}
            ticket={ticket}
            quote={quote}
            reservesAll={props.reservesAll}
            onQty={(qty) => change({ qty })}
          />
        </details>
        <Touch
          instrument={instrument}
          latest={quote}
          onPick={(limit) => change({ ...(has(ticket.type, "limit") ? {} : retyped(ticket, "limit")), limit })}
        />
        {!ticket.algorithm && (
          <label className="check">
            <input
              type="checkbox"
              checked={ticket.isBracket}
              onChange={(event) => change({ isBracket: event.target.checked })}
            />{" "}
            Bracket: take profit and stop loss
          </label>
        )}
        {ticket.isBracket && <ExitFields exits={ticket} onChange={change} {...priced} />}
        <details className="ticket-more" open={isMoreOpen} onToggle={(event) => setMoreOpen(event.currentTarget.open)}>
          <summary>More terms</summary>
          {isMoreOpen && (
            <div className="stack">
              {!ticket.algorithm && (
                <>
                  <Select
                    label="Post only"
                    value={ticket.postOnly}
                    disabled={!mayRest(ticket)}
                    error={wrong("postOnly")}
                    hint={mayRest(ticket) ? undefined : "Only an order that can rest."}
                    options={[
                      ["", "No"],
                      ["reject", "Refuse it if it would take"],
                      ["slide", "Move it so that it rests"],
                    ]}
                    onChange={(postOnly) => change({ postOnly })}
                  />
                  {paper ? (
                    <p className="field-hint">
                      On paper nobody sees an order: hidden, displayed and least quantities, pegs and auctions are for
                      real venues.
                    </p>
                  ) : (
                    <>
                      <label className="check">
                        <input
                          type="checkbox"
                          checked={ticket.hidden}
                          onChange={(event) => change({ hidden: event.target.checked })}
                        />{" "}
                        Hidden
                      </label>
                      <div className="ticket-pair">
                        {lots("display", "Display quantity")}
                        {lots("min", "Least per fill")}
                      </div>
                    </>
                  )}
                </>
              )}
              <label className="check">
                <input
                  type="checkbox"
                  checked={props.isOneClick}
                  disabled={props.neverOneClick}
                  onChange={(event) => props.setOneClick(event.target.checked)}
                />{" "}
                One-click: the ladder sends at once
              </label>
              {props.neverOneClick && <p className="field-hint">Orders of this symbol are authorized one by one.</p>}
            </div>
          )}
        </details>
        {preview.error && !ofPreview.isPlaced() && !props.barred && !props.isIncomplete && (
          <p className="banner danger" role="alert">
            {saying(preview.error)}
          </p>
        )}
        {preview.isLoading && <Loading rows={3} />}
        {preview.data && !preview.error && !props.isIncomplete && (
          <WhatIf
            preview={preview.data}
            at={preview.dataUpdatedAt}
            isOfBefore={props.isOfBefore}
            reservesAll={props.reservesAll}
          />
        )}
      </div>
      <Foot {...props} onSend={onSend} />
    </form>
  );
});

/** How long it may live: the children of a parent have no other times of their own, and paper has no auctions. */
function timesOf({ algorithm }: Ticket, isOnPaper: boolean): typeof TIMES {
  if (algorithm) return TIMES.filter(([tif]) => tif === "day" || tif === "gtc");
  return isOnPaper ? TIMES.filter(([tif]) => !tif.startsWith("at_the")) : TIMES;
}

/** The price that an order of a side would join. */
export function near(quote: Quote | undefined, side: string): string | undefined {
  const [own, other] = side === "buy" ? [quote?.bid_price, quote?.ask_price] : [quote?.ask_price, quote?.bid_price];
  return own ?? other ?? quote?.last_price ?? undefined;
}

/** Bid and offer as buttons that fill in the price; it alone is drawn anew with the market. */
function Touch({
  instrument,
  latest,
  onPick,
}: {
  instrument: Instrument;
  latest: RefObject<Quote | undefined>;
  onPick: (price: string) => void;
}) {
  const quote = useQuote(instrument.symbol)?.data;
  latest.current = quote;
  return (
    <div className="touch">
      {(["bid", "ask"] as const).map((side) => {
        const told = quote?.[`${side}_price`];
        const price = told && priceText(instrument, told);
        return (
          <Button key={side} small disabled={!price} onClick={() => price && onPick(price)}>
            <span className="muted">{side === "bid" ? "Bid" : "Offer"}</span>{" "}
            <span className={`figures ${side === "bid" ? "buy" : "sell"}`}>{show(price)}</span>
          </Button>
        );
      })}
    </div>
  );
}

/** A ticket of one's own, and how it changes; what was told of the last order goes when the next is made. */
export function useTicket(sender: Sender): [Ticket, (next: Partial<Ticket>) => void] {
  const [ticket, set] = useState(EMPTY);
  const { clear } = sender;
  const { state } = sender.now;
  return [
    ticket,
    (next) => {
      if (state === "taken" || state === "refused") clear();
      set((before) => ({ ...before, ...next }));
    },
  ];
}
