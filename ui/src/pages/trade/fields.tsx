// Fields of prices and quantities: arrow keys step them by what an order may have.

import type { KeyboardEvent, Ref } from "react";
import { TextField } from "../../components/controls";
import { type PriceTerms, stepped, steppedQty } from "../../format/price";
import type { Exits } from "./ticket-model";

/** Arrow keys step; with Shift by ten. */
export function stepping(event: KeyboardEvent, step: (steps: number) => void): void {
  const way = event.key === "ArrowUp" ? 1 : event.key === "ArrowDown" ? -1 : 0;
  if (!way) return;
  event.preventDefault();
  step(way * (event.shiftKey ? 10 : 1));
}

interface FieldProps {
  label: string;
  value: string;
  onChange: (text: string) => void;
  error?: string | undefined;
  placeholder?: string | undefined;
}

interface PriceFieldProps extends FieldProps {
  terms: PriceTerms;
  /** The price that an empty field steps to. */
  near: () => string | null | undefined;
}

export function PriceField({ terms, near, value, onChange, ...rest }: PriceFieldProps) {
  return (
    <TextField
      inputMode="decimal"
      autoComplete="off"
      className="figures"
      value={value}
      onChange={(event) => onChange(event.target.value.trim())}
      onKeyDown={(event) =>
        stepping(event, (steps) => {
          const from = value || near();
          if (from) onChange(stepped(terms, from, value ? steps : 0));
        })
      }
      {...rest}
    />
  );
}

interface LotsFieldProps extends FieldProps {
  lot: string;
  ref?: Ref<HTMLInputElement> | undefined;
}

export function LotsField({ lot, value, onChange, ref, ...rest }: LotsFieldProps) {
  return (
    <TextField
      inputMode="decimal"
      autoComplete="off"
      className="figures"
      value={value}
      onChange={(event) => onChange(event.target.value.trim())}
      onKeyDown={(event) => stepping(event, (steps) => onChange(steppedQty(lot, value, steps)))}
      {...(ref ? { ref } : {})}
      {...rest}
    />
  );
}

interface ExitFieldsProps extends Pick<PriceFieldProps, "terms" | "near"> {
  exits: Exits;
  onChange: (change: Partial<Exits>) => void;
}

/** Where a position is to end: with its profit, or before it loses more. */
export function ExitFields({ exits, onChange, ...rest }: ExitFieldsProps) {
  return (
    <div className="ticket-pair">
      <PriceField
        label="Take profit at"
        value={exits.takeProfit}
        onChange={(takeProfit) => onChange({ takeProfit })}
        {...rest}
      />
      <PriceField
        label="Stop loss at"
        value={exits.stopLoss}
        onChange={(stopLoss) => onChange({ stopLoss })}
        {...rest}
      />
    </div>
  );
}
