// What component tests of pages share: a gateway that answers as a table says, and a page around what is tested.

import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { configure, render } from "@testing-library/react";
import type { ReactNode } from "react";
import { vi } from "vitest";
import { forget, signIn } from "../api/session";

// The machine may be busy: what comes late is not what fails.
configure({ asyncUtilTimeout: 10_000 });
vi.setConfig({ testTimeout: 30_000 });

type Answer = unknown | ((body: unknown, url: URL) => unknown);

/** An answer that is an error. */
export class Refusal {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly details: Record<string, unknown> = {},
    readonly message = code,
  ) {}
}

/** An answer that is a page of more. */
export class Paged {
  constructor(
    readonly data: unknown[],
    readonly next_cursor: string | null,
    /** The engine's last event that it includes. */
    readonly as_of?: string,
  ) {}
}

/** Answers by "METHOD /path" below /api/v1; tells what was asked. */
export function gateway(routes: Record<string, Answer>) {
  const asked: { route: string; body: unknown }[] = [];
  vi.stubGlobal("fetch", async (input: Request | string, init?: RequestInit) => {
    const request = typeof input === "string" ? new Request(new URL(input, location.origin), init) : input;
    const url = new URL(request.url);
    const route = `${request.method} ${url.pathname.replace("/api/v1", "")}`;
    const body = await request
      .clone()
      .json()
      .catch(() => null);
    asked.push({ route, body });
    const found = routes[route] ?? new Refusal(404, "not_found");
    const answer = await (typeof found === "function" ? found(body, url) : found);
    if (answer instanceof Refusal) {
      const { status, code, message, details } = answer;
      return Response.json({ error: { code, message, details } }, { status });
    }
    if (answer instanceof Paged) {
      const { data, next_cursor, as_of } = answer;
      return Response.json({ data, meta: { request_id: "r", next_cursor, as_of } });
    }
    return Response.json({ data: answer, meta: { request_id: "r" } });
  });
  return asked;
}

/** Somebody is signed in. */
export function asUser(user = "u1"): void {
  signIn({ access_token: "a", expires_in: 900, refresh_token: "r", user });
}

export function asStranger(ended = false): void {
  forget(ended);
}

/** jsdom has dialogs without their methods. */
export function allowDialogs(): void {
  HTMLDialogElement.prototype.showModal = function () {
    this.open = true;
  };
}

export function show(content: ReactNode) {
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  return render(<QueryClientProvider client={client}>{content}</QueryClientProvider>);
}

export const ME = {
  id: "u1",
  email: "ann@example.org",
  name: "Ann",
  role: "trader",
  plan: "free",
  email_verified: false,
  totp_enabled: false,
  created_at: 0,
  preferences: {},
  permissions: ["profile:read", "profile:write", "credentials:write", "orders:read", "orders:write", "market:read"],
};

/** An order that was filled at once. */
export const FILLED = {
  id: "1",
  account: "a",
  seq: "1:0",
  symbol: "TIDE",
  side: "buy",
  status: "filled",
  qty: "10",
  filled_qty: "10",
  leaves_qty: "0",
  avg_price: "99.5",
};

/** What a gateway says of an order that needs nothing more. */
export const PREVIEW = {
  hash: "h",
  needs_authorization: false,
  summary: "s",
  controls: [],
  currency: "USD",
  cost: "996",
};
