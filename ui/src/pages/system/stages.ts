// What each stage of the way is; docs/latency.md says it at length.

export const STAGES: Record<string, string> = {
  market_received: "The packet of the market event was read from the socket.",
  decoded: "The events of the message were in the engine's ring.",
  taken: "The engine took the market event from its ring.",
  applied: "Books, and what rests at the venue, have the market event.",
  decided: "A strategy on the engine's thread has answered with an order.",
  received: "The edge has read and checked the request.",
  sequenced: "The engine took it from its ring and gave it its number.",
  journaled: "It is in the mapped journal: it survives the end of the process.",
  risk_passed: "The gate let the order pass.",
  at_venue: "The venue has the order, or its answer is here.",
  filled: "The first execution.",
  published: "All events of the input are in the engine's outgoing rings.",
  released: "The release level holds: with power the wait for the disk is here.",
  delivered: "The last report has left.",
};

/** Stages of a market event's way; the others are of an order's. */
export const OF_MARKET: ReadonlySet<string> = new Set(["market_received", "decoded", "taken", "applied", "decided"]);
