import { show, showSigned, sign } from "../format/number";
import { type PriceTerms, priceText } from "../format/price";

/** Money or profit with its sign, coloured by it; a triangle says the same without colour. */
export function Signed({ value, digits = 2 }: { value: string | null | undefined; digits?: number }) {
  if (!value) return <span className="figures muted">–</span>;
  const way = sign(value);
  return (
    <span className={`figures ${way > 0 ? "buy" : way < 0 ? "sell" : ""}`}>
      {way > 0 ? "▴ " : way < 0 ? "▾ " : ""}
      {showSigned(value, digits)}
    </span>
  );
}

export function Figure({ value, digits }: { value: string | null | undefined; digits?: number }) {
  return <span className="figures">{show(value, digits)}</span>;
}

/** A price with the digits of its instrument, once that is known. */
export function Price({ value, terms }: { value: string | null | undefined; terms: PriceTerms | undefined }) {
  return <Figure value={value && terms ? priceText(terms, value) : value} />;
}

/** How much of a limit is used, 0 to 1 and beyond. */
export function Meter({ share, label }: { share: number; label: string }) {
  const shown = Math.min(Math.max(share, 0), 1);
  const kind = share >= 0.95 ? "meter danger" : share >= 0.75 ? "meter warn" : "meter";
  return (
    // biome-ignore lint/a11y/useSemanticElements: <meter> cannot be drawn alike in every browser
    <div
      className={kind}
      role="meter"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(shown * 100)}
    >
      <div style={{ width: `${shown * 100}%` }} />
    </div>
  );
}

export function SideText({ side }: { side: string | null | undefined }) {
  if (!side) return <span className="muted">–</span>;
  return <span className={side === "buy" ? "buy" : "sell"}>{side === "buy" ? "Buy" : "Sell"}</span>;
}

const ABBREVIATIONS = new Set(["gtc", "gtd", "ioc", "fok", "oco"]);

/** A word of the protocol for people: `partially_filled` is `Partially filled`, `gtc` is `GTC`. */
export function words(name: string | null | undefined): string {
  if (!name) return "–";
  const parts = name.split("_").map((part) => (ABBREVIATIONS.has(part) ? part.toUpperCase() : part));
  const text = parts.join(" ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}
