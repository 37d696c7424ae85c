// Shapes of the API that several files read, by the names of its description.

import type { Schemas } from "./client";

export type ControlVerdict = Schemas["ControlVerdict"];
export type Estimate = Schemas["Estimate"];
export type Why = Schemas["Why"];
export type LimitsInForce = NonNullable<Schemas["Envelope_Option_Limits"]["data"]>;
export type Control = Schemas["ControlReport"];
export type RiskEvent = Schemas["RiskEvent"];
export type System = Schemas["System"];
export type LatencyFigures = Schemas["LatencyFigures"];
export type Way = Schemas["Way"];
export type Latency = Schemas["Latency"];
export type QueuePlace = Schemas["QueuePlace"];
export type EquityPoint = Schemas["EquityPoint"];
export type Resolution = "1m" | "1h" | "1d";
