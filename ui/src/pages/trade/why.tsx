import type { Why } from "../../api/reports";
import { Dialog } from "../../components/dialog";
import { SideText, words } from "../../components/figures";
import { show, sign } from "../../format/number";
import { clockMs, dateTime, zoneOf } from "../../format/time";
import type { Execution, Order } from "../../live/account";

const MODELS: Record<string, string> = {
  exact: "by the exact queue of orders",
  risk_averse: "by levels, where only trades bring an order forward",
  power: "by levels, cancels shared between ahead and behind",
  square: "by levels, cancels shared between ahead and behind",
  log: "by levels, cancels shared between ahead and behind",
  quotes: "by best prices and trades",
  bars: "by bars",
};

/** Why a fill happened, in sentences. */
export function sentences(fill: Execution, why: Why | undefined, order: Order | undefined): string[] {
  const said: string[] = [];
  const isMade = fill.liquidity === "maker";
  if (isMade) said.push("The order rested, and the market came to it.");
  else if (fill.liquidity === "taker") said.push("It took what was displayed on the other side.");
  else if (fill.liquidity === "auction") said.push("It was filled in an auction.");
  if (order?.parent) said.push("It belongs to a list or to a parent order.");
  if (!why) return said;
  const { queue_ahead_at_entry: entry, queue_ahead_at_fill: left, fill_model: model, impact } = why;
  if (isMade && entry) {
    said.push(
      sign(entry) > 0
        ? `When it came to rest, ${show(entry)} stood ahead of it.`
        : "When it came to rest, nobody stood ahead of it.",
    );
    if (left && sign(left) > 0) said.push(`The market went through its price while ${show(left)} still stood ahead.`);
    else if (left) said.push("It was filled once all of that was gone.");
  }
  if (impact && sign(impact) > 0) said.push(`${show(impact)} of the price is the impact of taking so much.`);
  if (model && MODELS[model]) said.push(`The paper venue decided it ${MODELS[model]} (${words(model).toLowerCase()}).`);
  if (why.cause_seq && why.cause_seq !== "0") {
    const kind = why.cause_kind ? `${words(why.cause_kind).toLowerCase()}, ` : "";
    said.push(`The market's event behind it: ${kind}input ${why.cause_seq} of the journal.`);
  }
  return said;
}

interface WhyProps {
  fill: Execution;
  order: Order | undefined;
  venue: string | undefined;
  onClose: () => void;
}

export function WhyFill({ fill, order, venue, onClose }: WhyProps) {
  const why = (fill as { why?: Why }).why;
  return (
    <Dialog title={`Why this fill: ${fill.symbol}`} onClose={onClose}>
      <div className="stack">
        {sentences(fill, why, order).map((sentence) => (
          <p key={sentence}>{sentence}</p>
        ))}
        <dl className="facts">
          <dt>Traded</dt>
          <dd>
            <SideText side={fill.side} /> {show(fill.qty)} at {show(fill.price)} {fill.currency}
          </dd>
          <dt>Fee</dt>
          <dd>
            {show(fill.fee, 2)} {fill.currency}
          </dd>
          <dt>Liquidity</dt>
          <dd>{words(fill.liquidity)}</dd>
          <dt>Order</dt>
          <dd>
            {order
              ? `${words(order.type)} ${order.limit_price ? show(order.limit_price) : ""}, ${words(order.time_in_force)}`
              : fill.order}
          </dd>
          <dt>When</dt>
          <dd>{dateTime(fill.at)}</dd>
          <dt>At the exchange</dt>
          <dd>{clockMs(fill.at, zoneOf(venue))}</dd>
          <dt>Event</dt>
          <dd>{fill.seq}</dd>
        </dl>
      </div>
    </Dialog>
  );
}
