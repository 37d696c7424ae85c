// What the gateway answers once its next version is described in `openapi.json`. Delete what is there.

import type { Schemas } from "./client";

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

/** Why an execution happened. */
export interface Why {
  fill_model?: string | null;
  cause_kind?: string | null;
  cause_seq?: string | null;
  queue_ahead_at_entry?: string | null;
  queue_ahead_at_fill?: string | null;
  impact?: string | null;
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
