// What stands where there is nothing to show: nothing yet, still loading, failed. Each says what can be done.

import type { UseQueryResult } from "@tanstack/react-query";
import { type ReactNode, useRef } from "react";
import { ApiError } from "../api/error";
import { Button } from "./controls";

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="state">
      <strong>{title}</strong>
      {children}
    </div>
  );
}

/** Grey bars of about the size of what comes. */
export function Loading({ rows = 4 }: { rows?: number }) {
  return (
    <div className="stack" role="status" aria-label="Loading" style={{ padding: 12 }}>
      {Array.from({ length: rows }, (_, row) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the bars are all alike
        <div key={row} className="skeleton" style={{ width: `${90 - (row % 3) * 15}%` }} />
      ))}
    </div>
  );
}

/** What an error says to people. */
export function saying(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

interface FailedProps {
  error: unknown;
  retry?: () => void;
  /** It is being asked for anew. */
  busy?: boolean;
}

export function Failed({ error, retry, busy = false }: FailedProps) {
  const code = error instanceof ApiError ? error.code : undefined;
  if (error instanceof ApiError && error.status === 404) {
    return <Empty title="Nothing to show">This gateway does not tell it.</Empty>;
  }
  return (
    <div className="state" role="alert">
      <strong>{code === "not_permitted" ? "Not for your role" : "This could not be loaded"}</strong>
      <span>{saying(error)}</span>
      {retry && code !== "not_permitted" && (
        <Button onClick={retry} busy={busy}>
          Try again
        </Button>
      )}
    </div>
  );
}

interface LoadedProps<T> {
  query: UseQueryResult<T>;
  rows?: number;
  children: (data: T) => ReactNode;
}

/** What a query has brought, or why not. What was there stays while it is asked for anew. */
export function Loaded<T>({ query, rows, children }: LoadedProps<T>) {
  // A query without an answer forgets why as soon as it asks anew.
  const last = useRef<unknown>(null);
  if (query.error) last.current = query.error;
  if (query.data !== undefined) return children(query.data);
  if (query.errorUpdateCount > 0 && last.current) {
    return <Failed error={last.current} retry={() => void query.refetch()} busy={query.isFetching} />;
  }
  return <Loading {...(rows ? { rows } : {})} />;
}
