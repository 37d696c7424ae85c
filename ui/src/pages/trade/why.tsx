import { Dialog } from "../../components/dialog";
import { SideText, words } from "../../components/figures";
import { reason } from "../../components/why";
import { show } from "../../format/number";
import { clockMs, dateTime, zoneOf } from "../../format/time";
import { atPrices, type Execution, type Order } from "../../live/account";

/** The input of the journal that caused it, for those who look it up there. */
function cause({ cause_kind, cause_seq }: Execution["why"]): string {
  if (!cause_seq || cause_seq === "0") return "–";
  return cause_kind ? `${words(cause_kind)}, input ${cause_seq}` : `input ${cause_seq}`;
}

interface WhyProps {
  fill: Execution;
  order: Order | undefined;
  venue: string | undefined;
  onClose: () => void;
}

export function WhyFill({ fill, order, venue, onClose }: WhyProps) {
  return (
    <Dialog title={`Why this fill: ${fill.symbol}`} onClose={onClose}>
      <div className="stack">
        <p>{reason(fill)}</p>
        {order?.parent && <p>It belongs to a list or to a parent order.</p>}
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
          <dd>{order ? `${words(order.type)}${atPrices(order)}, ${words(order.time_in_force)}` : fill.order}</dd>
          <dt>When</dt>
          <dd>{dateTime(fill.at)}</dd>
          <dt>At the exchange</dt>
          <dd>{clockMs(fill.at, zoneOf(venue))}</dd>
          <dt>Caused by</dt>
          <dd>{cause(fill.why)}</dd>
          <dt>Event</dt>
          <dd>{fill.seq}</dd>
        </dl>
      </div>
    </Dialog>
  );
}
