import { type RefObject, useRef, useState } from "react";
import { Button, TextField } from "../../components/controls";
import { saying } from "../../components/states";
import { compare, isDecimal, multiply, show } from "../../format/number";
import { briefly } from "../../format/price";
import type { Quote } from "../../live/market";
import { type Instrument, useAccount } from "../../shell/user";
import { ask } from "./sending";
import { affordable, lotAt } from "./size";
import { missing, orderOf, plain, pricedAt, type Ticket } from "./ticket-model";
import { buyingPower } from "./what-if";

const SHARES = [
  ["25 %", "0.25"],
  ["50 %", "0.5"],
  ["75 %", "0.75"],
  ["100 %", "1"],
] as const;

interface SizeFieldsProps {
  instrument: Instrument;
  ticket: Ticket;
  quote: RefObject<Quote | undefined>;
  /** Of `WhatIf`. */
  reservesAll: boolean;
  onQty: (qty: string) => void;
}

/** What an amount was made of: with other terms it would be another quantity. */
const termsOf = ({ side, type, limit, stop, qty }: Ticket) => [side, type, limit, stop, qty].join(" ");

/** Makes the quantity of an amount of money, or of a share of buying power, at the price of the order. What is sent is the quantity. */
export function SizeFields({ instrument, ticket, quote, reservesAll, onQty }: SizeFieldsProps) {
  const { symbol, currency, order_lot: lot } = instrument;
  const account = useAccount();
  const [made, setMade] = useState({ amount: "", terms: "", text: "", isWrong: false });
  const [busy, setBusy] = useState(false);
  const latest = useRef(ticket);
  latest.current = ticket;

  const say = (amount: string, qty: string, text: string, isWrong = false) => {
    if (qty !== ticket.qty) onQty(qty);
    setMade({ amount, terms: termsOf({ ...ticket, qty }), text, isWrong });
  };
  /** `atLeast` is what a lot takes, where that is more than its price. */
  const size = (typed: string, amount: string, atLeast = "0") => {
    const price = pricedAt(ticket, quote.current);
    if (!price) return say(typed, "", "There is no price yet.", true);
    const perLot = lotAt(instrument, price);
    const qty = affordable(amount, compare(atLeast, perLot) > 0 ? atLeast : perLot, lot);
    if (!qty) return say(typed, "", `Less than one lot of ${show(lot)} at ${briefly(price)}.`, true);
    const comesTo = multiply(lotAt({ ...instrument, order_lot: "1" }, price), qty);
    say(typed, qty, `${show(qty)} ${symbol} at ${briefly(price)}: ${show(comesTo, 2)} ${currency}`);
  };
  const enter = (typed: string) => {
    if (typed === "") say("", "", "");
    else if (isDecimal(typed)) size(typed, typed);
    else say(typed, "", "Digits and a point only.", true);
  };
  const take = async (share: string) => {
    const one = { ...plain(ticket), qty: lot };
    const lacks = missing(one);
    if (lacks) return say("", ticket.qty, `Give ${lacks} first.`, true);
    setBusy(true);
    try {
      // What can be spent is told by the control that guards it, of an order: of the smallest of this kind.
      const { legs } = await ask(orderOf(one, account?.id ?? "", symbol));
      if (termsOf(latest.current) !== termsOf(ticket)) return;
      const power = buyingPower(legs[0]?.controls ?? []);
      if (!power) say("", ticket.qty, "No buying power is asked of this order.", true);
      else if (reservesAll && power.before && power.reserved) size("", multiply(power.before, share), power.reserved);
      else size("", multiply(power.after, share));
    } catch (error) {
      say("", ticket.qty, saying(error), true);
    } finally {
      setBusy(false);
    }
  };

  const isNow = made.terms === termsOf(ticket);
  return (
    <div className="stack">
      <TextField
        label={`Amount in ${currency}`}
        inputMode="decimal"
        autoComplete="off"
        className="figures"
        value={isNow ? made.amount : ""}
        onChange={(event) => enter(event.target.value.trim())}
      />
      {account?.balances?.[0]?.currency === currency && (
        <fieldset className="ticket-shares">
          <legend className="field-label">Of buying power</legend>
          {SHARES.map(([name, share]) => (
            <Button
              key={share}
              small
              busy={busy}
              aria-label={`${name} of buying power`}
              onClick={() => void take(share)}
            >
              {name}
            </Button>
          ))}
        </fieldset>
      )}
      <p className={made.isWrong ? "field-hint ticket-sized danger" : "field-hint ticket-sized"} role="status">
        {isNow && made.text}
      </p>
    </div>
  );
}
