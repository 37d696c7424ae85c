// Routes that `openapi.json` does not describe yet. Each type goes once the schema has it.

import { api, page, type Schemas, take } from "./client";

type About = Schemas["About"];

export interface EquityPoint {
  at: string;
  currency: string;
  equity: string;
  cash: string;
  realised: string;
  unrealised: string;
  fees: string;
}

export type Resolution = "1m" | "1h" | "1d";

/** Why an execution happened; what does not apply is null. */
export interface Why {
  fill_model: string | null;
  cause_kind: string | null;
  cause_seq: string | null;
  queue_ahead_at_entry: string | null;
  queue_ahead_at_fill: string | null;
  impact: string | null;
}

export type LimitsInForce = Schemas["Limits"] & {
  used?: { open_orders: number; largest_position_lots: number | null };
};

export interface Control {
  scope: About | null;
  control: string;
  limit: string;
  counted: string | null;
  window_ms: number | null;
  hold_ms: number | null;
  count: number | null;
  action: string | null;
  reference: string | null;
  reason: string | null;
  changed_by: string | null;
  changed_at: string | null;
}

export interface RiskEvent {
  seq: string;
  at: string;
  kind: "breach" | "resumed" | "kill" | "release" | "limits" | "control";
  scope: About | null;
  text: string;
  reason: string | null;
  by: string | null;
}

export interface System {
  engine: {
    alive: boolean;
    version: string;
    seq: string;
    at: string;
    state_hash: string;
    release_level: string;
    synced_seq: string;
    replicated_seq: string;
    waits_for_release: boolean;
    firm_killed: boolean;
    sessions_open: number;
    sessions_max: number;
    streams_open: number;
    streams_max: number;
  } | null;
  feed: {
    market_events: number;
    gaps: number;
    unknown_orders: number;
    refused_events: number;
    last_at: string | null;
  } | null;
  counters: Record<string, number>;
  gateway: { version: string; started_at: string; streams_open: number; engine_connected: boolean };
}

export interface LatencyFigures {
  name: string;
  count: number;
  p50_ns: number;
  p90_ns: number;
  p99_ns: number;
  p999_ns: number;
  max_ns: number;
  budget_ns: number | null;
  breaches: number;
}

export interface Way {
  path: string;
  kind: string;
  seq: string;
  total_ns: number;
  at: string;
  steps: { stage: string; ns: number }[];
}

export interface Latency {
  at: string;
  window: "start" | "minute";
  figures: LatencyFigures[];
  slowest: Way[];
  worst_by_second: number[];
  alerts: {
    number: number;
    at: string;
    name: string;
    took_ns: number;
    budget_ns: number;
    breaches: number;
    worst: Way | null;
  }[];
  alerts_count: number;
}

type Envelope<T> = { data: T; meta: { next_cursor?: string | null; as_of?: string | null } };
type Query = Record<string, string | number | boolean | undefined>;

const get = api.GET as unknown as <T>(
  path: string,
  init: { params: { query: Query } },
) => Promise<{ data?: Envelope<T>; error?: unknown; response: Response }>;

const one = <T>(path: string, query: Query = {}) => take(get<T>(path, { params: { query } })) as Promise<T>;

export const coming = {
  history: (query: { account: string; from?: string; resolution: Resolution }) =>
    one<EquityPoint[]>("/api/v1/portfolio/history", query),
  controls: () => one<Control[]>("/api/v1/risk/controls"),
  riskHistory: (query: { cursor?: string; limit: number }) =>
    page(get<RiskEvent[]>("/api/v1/risk/history", { params: { query } })),
  system: () => one<System>("/api/v1/system"),
  latency: (window: "start" | "minute") => one<Latency>("/api/v1/system/latency", { window }),
};

/** What one control says of an order that was not sent. */
export interface ControlVerdict {
  reason: string;
  scope: string;
  limit: string;
  value: string;
  passes: boolean;
  message: string | null;
}

export interface Estimate extends Omit<Schemas["Estimate"], "refusals"> {
  reject?: Schemas["Reject"] | null;
  controls?: ControlVerdict[];
}

/** The place of an order of one's own in the queue. */
export interface QueuePlace {
  order: string;
  side: "buy" | "sell";
  price: string;
  leaves_qty: string;
  ahead: string | null;
  behind: string | null;
  level_qty: string | null;
}
