import type { ControlVerdict } from "../../api/reports";
import { Meter, words } from "../../components/figures";
import { add, compare, isDecimal, show, sign, subtract } from "../../format/number";
import type { Preview } from "./sending";

/** How much of a limit an order would use, 0 to 1 and beyond. */
export function share({ limit, value, passes, reason }: ControlVerdict): number {
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
  return `${show(value)} / ${show(limit)}`;
}

/** What an order would make of what can be spent, by the control that guards it. `null`: it does not look at this order. */
export function buyingPower(controls: ControlVerdict[], cost: string | null | undefined) {
  const control = controls.find((one) => one.reason === "buying_power");
  if (!control || !isDecimal(control.limit) || !isDecimal(control.value)) return null;
  const after = subtract(control.limit, control.value);
  // What this order adds to what is bound already is what it costs.
  const added = cost && isDecimal(cost) && sign(cost) > 0 ? cost : "0";
  return { before: add(after, added), after };
}

/** What an order would cost, and what each risk control says of it, before it is sent. */
export function WhatIf({ preview, isOld }: { preview: Preview; isOld: boolean }) {
  const entry = preview.legs[0];
  if (!entry) return null;
  const controls = entry.controls ?? [];
  const power = buyingPower(controls, entry.cost);
  const sorted = [...controls].sort((a, b) => Number(a.passes) - Number(b.passes) || share(b) - share(a));
  const stopped = preview.legs.flatMap((leg, index) => [
    ...(leg.reject ? [{ index, text: leg.reject.message }] : []),
    ...(leg.controls ?? [])
      .filter((one) => !one.passes)
      .map((one) => ({ index, text: one.message ?? words(one.reason) })),
  ]);
  const money = (text: string | null | undefined) => `${show(text, 2)} ${text ? (entry.currency ?? "") : ""}`;
  return (
    <section className={isOld ? "what-if old" : "what-if"} aria-label="What this order would do" aria-busy={isOld}>
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
            <dt>Buying power</dt>
            <dd>
              {show(power.before, 0)} →{" "}
              <b className={compare(power.after, "0") < 0 ? "danger" : ""}>{show(power.after, 0)}</b>
            </dd>
          </>
        )}
      </dl>
      <div role="status">
        {stopped.length > 0 ? (
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
            <Meter share={one.passes ? share(one) : 1} label={`${words(one.reason)}: used of its limit`} />
          </li>
        ))}
      </ul>
    </section>
  );
}
