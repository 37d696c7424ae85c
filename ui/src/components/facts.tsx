import type { ReactNode } from "react";

interface FactsProps {
  facts: readonly (readonly [string, ReactNode])[];
  className?: string;
  label?: string;
}

/** Names and values beside each other. */
export function Facts({ facts, className = "told", label }: FactsProps) {
  return (
    <dl className={className} aria-label={label}>
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
