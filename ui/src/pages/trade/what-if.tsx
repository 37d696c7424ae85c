import type { ControlVerdict } from "../../api/reports";
import { Meter, words } from "../../components/figures";
import { add, compare, isDecimal, show, sign, subtract } from "../../format/number";
import { useNow } from "../../live/market";
import { limitText } from "../risk/say";
import type { Preview } from "./sending";

/** It is asked for anew each few seconds: what is older than this was not answered. */
const LATE_S = 10;

/** Their limit is a price: an order near it uses nothing up. */
const COLLARS = new Set(["price_collar", "window_collar"]);

/** How much of a limit an order would use, 0 to 1; nothing where it is not used up by orders. */
export function share({ limit, value, passes, reason }: ControlVerdict): number | null {
  if (COLLARS.has(reason)) return null;
  const [most, used] = [Number(limit), Number(value)];
  if (!passes) return 1;
  // Its value is what is left of a burst.
  if (reason === "message_rate") return 0;
  if (!Number.isFinite(most) || !Number.isFinite(used) || most <= 0) return 0;
  return Math.min(Math.max(used / most, 0), 1);
}

/** What a control counts, beside its limit; a kill switch counts nothing. */
function figures({ reason, value, limit }: ControlVerdict): string {
  if (reason === "kill_switch") return "";
  if (reason === "message_rate") return `${show(value)} left, ${show(limit)} a second`;
  // Where limits are set, a collar is in basis points; here it is the price that they come to. What may only reduce is a quantity here.
  if (COLLARS.has(reason) || reason === "reduce_only") return `${show(value)} / ${show(limit)}`;
  return `${limitText({ control: reason, limit: value })} / ${limitText({ control: reason, limit })}`;
}

/**
 * What an order would make of what can be spent, by the control that guards it. `null`: it does not look at this order. What an order
 * reserves is its notional at the worst price that its collar lets it have, which the control of the notional tells.
 */
export function buyingPower(controls: ControlVerdict[]) {
  const figure = (reason: string) => controls.find((one) => one.reason === reason && isDecimal(one.value));
  const [control, notional] = [figure("buying_power"), figure("max_order_notional")];
  if (!control || !isDecimal(control.limit)) return null;
  const after = subtract(control.limit, control.value);
  return { after, reserved: notional?.value ?? null, before: notional ? add(after, notional.value) : null };
}

interface WhatIfProps {
  preview: Preview;
  /** When the gateway said so. */
  at: number;
  /** It is of the order as it was before the last change. */
  isOfBefore: boolean;
  /** Whether an order reserves all of its notional: not where the other side of the symbol is held or worked, or in another currency than the account's. */
  reservesAll: boolean;
}

/** What an order would cost, and what each risk control says of it, before it is sent. */
export function WhatIf({ preview, at, isOfBefore, reservesAll }: WhatIfProps) {
  const age = Math.floor((useNow() - at) / 1_000);
  const entry = preview.legs[0];
  if (!entry) return null;
  const isLate = !isOfBefore && age > LATE_S;
  const isOld = isOfBefore || isLate;
  const controls = entry.controls ?? [];
  const power = buyingPower(controls);
  const { before, reserved } = (reservesAll && power) || { before: null, reserved: null };
  const used = (one: ControlVerdict) => (one.passes ? share(one) : 1) ?? 0;
  const sorted = [...controls].sort((a, b) => Number(a.passes) - Number(b.passes) || used(b) - used(a));
  const stopped = preview.legs.flatMap((leg, index) => [
    ...(leg.reject ? [{ index, text: leg.reject.message }] : []),
    ...(leg.controls ?? [])
      .filter((one) => !one.passes)
      .map((one) => ({ index, text: one.message ?? words(one.reason) })),
  ]);
  const money = (text: string | null | undefined) => `${show(text, 2)} ${text ? (entry.currency ?? "") : ""}`;
  return (
    <section className={isOld ? "what-if old" : "what-if"} aria-label="What this order would do" aria-busy={isOld}>
      {isLate && <p className="warn">As of {age} s ago: the gateway has not said it anew.</p>}
      <dl className="facts">
        <dt>Notional</dt>
        <dd>{money(entry.notional)}</dd>
        <dt>Fee, if it takes</dt>
        <dd>{money(entry.fee)}</dd>
        <dt>{entry.cost && sign(entry.cost) < 0 ? "Brings" : "Cost"}</dt>
        <dd>
          <b>{money(entry.cost && sign(entry.cost) < 0 ? subtract("0", entry.cost) : entry.cost)}</b>
        </dd>
        {power && (
          <>
            {reserved && compare(reserved, entry.cost ?? "0") !== 0 && (
              <>
                <dt>Reserved</dt>
                <dd>{money(reserved)}</dd>
              </>
            )}
            <dt>{before ? "Buying power" : "Buying power after"}</dt>
            <dd>
              {before && `${show(before, 0)} → `}
              <b className={compare(power.after, "0") < 0 ? "danger" : ""}>{show(power.after, 0)}</b>
            </dd>
          </>
        )}
      </dl>
      <div role="status">
        {isOfBefore ? (
          <p className="muted">The order has changed: asking anew …</p>
        ) : stopped.length > 0 ? (
          <ul className="what-if-stops">
            {stopped.map(({ index, text }) => (
              <li key={`${index} ${text}`} className="danger">
                <span aria-hidden="true">✕</span> {preview.legs.length > 1 ? `Leg ${index + 1}: ` : ""}
                {text}
              </li>
            ))}
          </ul>
        ) : (
          controls.length > 0 && (
            <p className="buy">
              <span aria-hidden="true">✓</span> All {controls.length} risk controls let it pass
            </p>
          )
        )}
      </div>
      <ul className="controls">
        {sorted.map((one) => (
          <li key={`${one.reason} ${one.scope}`}>
            <span className="controls-name">
              <span className={one.passes ? "buy" : "danger"} aria-hidden="true">
                {one.passes ? "✓" : "✕"}
              </span>{" "}
              {words(one.reason)} <span className="muted">{words(one.scope).toLowerCase()}</span>
              <span className="unseen">{one.passes ? ": passes" : ": refuses"}</span>
            </span>
            <span className="figures muted">{figures(one)}</span>
            {share(one) !== null && <Meter share={used(one)} label={`${words(one.reason)}: used of its limit`} />}
          </li>
        ))}
      </ul>
    </section>
  );
}
