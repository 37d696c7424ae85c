import { type FormEvent, useState } from "react";
import { api, type Schemas, take } from "../../api/client";
import { ApiError } from "../../api/error";
import type { LimitsInForce } from "../../api/reports";
import { Button, TextField } from "../../components/controls";
import { Dialog } from "../../components/dialog";
import { tell } from "../../components/notices";
import { ReasonField } from "../../components/reason";
import { saying } from "../../components/states";
import { compare, isDecimal } from "../../format/number";
import { type Account, useRefresh } from "./live";
import { accountName } from "./say";

type Limits = Schemas["Limits"];
type Name = keyof Limits;

const FIELDS: readonly [Name, string, string][] = [
  ["max_order_lots", "Order quantity", "lots of one order"],
  ["max_order_notional", "Order notional", "money, of one order"],
  ["max_position_lots", "Largest position", "lots in one instrument"],
  ["max_open_orders", "Open orders", ""],
  ["credit", "Credit", "money, above cash"],
  ["price_collar_bp", "Price collar", "basis points from the reference"],
  ["messages_per_sec", "Messages a second", ""],
  ["message_burst", "Messages at once", ""],
];
const MONEY = new Set<Name>(["max_order_notional", "credit"]);

type Texts = Record<Name, string>;

function textsOf(limits: Limits): Texts {
  return Object.fromEntries(FIELDS.map(([name]) => [name, String(limits[name])])) as Texts;
}

/** What is wrong with a text; nothing if it is a limit. */
export function wrong(name: Name, text: string): string | undefined {
  if (MONEY.has(name)) return isDecimal(text) && !text.startsWith("-") ? undefined : "An amount, such as 5000.00";
  return /^\d{1,15}$/.test(text) ? undefined : "A whole number";
}

/** The limits that are higher than before, for which a second person is needed. */
export function raised(before: Limits, texts: Texts): Name[] {
  return FIELDS.map(([name]) => name).filter(
    (name) => !wrong(name, texts[name]) && compare(texts[name], String(before[name])) > 0,
  );
}

function limitsOf(texts: Texts): Limits {
  const number = (name: Name) => Number(texts[name]);
  return {
    max_order_notional: texts.max_order_notional,
    credit: texts.credit,
    max_order_lots: number("max_order_lots"),
    max_position_lots: number("max_position_lots"),
    price_collar_bp: number("price_collar_bp"),
    max_open_orders: number("max_open_orders"),
    messages_per_sec: number("messages_per_sec"),
    message_burst: number("message_burst"),
  };
}

interface ChangeLimitsProps {
  account: Account;
  limits: LimitsInForce;
  onClose: () => void;
}

export function ChangeLimits({ account, limits, onClose }: ChangeLimitsProps) {
  // What it was compared with when it was opened: the answer of a refresh does not change what is asked.
  const [before] = useState(limits);
  const [texts, setTexts] = useState(() => textsOf(limits));
  const [reason, setReason] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const refresh = useRefresh();
  const higher = raised(before, texts);
  const isSame = FIELDS.every(([name]) => texts[name] === String(before[name]));
  const isWrong = FIELDS.some(([name]) => wrong(name, texts[name]));
  const field = error instanceof ApiError ? error.field?.replace(/^limits\./, "") : undefined;
  const isKnown = field === "reason" || FIELDS.some(([name]) => name === field);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      const { status, proposal } = await take(
        api.PUT("/api/v1/accounts/{id}/limits", {
          params: { path: { id: account.id } },
          body: { limits: limitsOf(texts), reason: reason.trim() },
        }),
      );
      tell(status === "waiting" ? `Proposal ${proposal} waits for a second person.` : "The limits are in force.");
      refresh();
      onClose();
    } catch (caught) {
      setError(caught);
      setBusy(false);
    }
  };
  return (
    <Dialog title={`Limits of ${accountName(account)}`} onClose={onClose} wide>
      <form className="stack" onSubmit={submit}>
        <div className="limit-fields">
          {FIELDS.map(([name, label, unit]) => (
            <TextField
              key={name}
              label={label}
              hint={`${unit}${unit ? "; " : ""}now ${before[name]}${higher.includes(name) ? ", higher" : ""}`}
              inputMode={MONEY.has(name) ? "decimal" : "numeric"}
              value={texts[name]}
              error={wrong(name, texts[name]) ?? (field === name ? saying(error) : undefined)}
              onChange={(event) => setTexts({ ...texts, [name]: event.target.value.trim() })}
            />
          ))}
        </div>
        <ReasonField reason={reason} error={field === "reason" ? saying(error) : undefined} onChange={setReason} />
        <p className={higher.length > 0 ? "banner warn" : "muted"} aria-live="polite">
          {higher.length > 0
            ? "Something is higher than before: all of it waits until another person approves it."
            : "Nothing is higher than before: it is in force at once."}
        </p>
        {error !== null && !isKnown && (
          <p className="banner danger" role="alert">
            {saying(error)}
          </p>
        )}
        <div className="row confirm-acts">
          <Button onClick={onClose}>Leave it</Button>
          <Button type="submit" kind="primary" busy={busy} disabled={isSame || isWrong}>
            {higher.length > 0 ? "Propose the limits" : "Set the limits"}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
