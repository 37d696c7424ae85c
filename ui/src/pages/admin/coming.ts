// Routes that the gateway's description does not have yet; it takes their place once it does.

import { type Schemas, take } from "../../api/client";
import { ApiError } from "../../api/error";
import { accessToken } from "../../api/session";

/** Defines an instrument: `POST /instruments`. */
export async function define(body: Record<string, string>): Promise<Schemas["InstrumentReport"]> {
  const token = await accessToken();
  const response = await fetch("/api/v1/instruments", {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${token ?? ""}` },
    body: JSON.stringify(body),
  });
  if (response.status === 404 || response.status === 405) {
    throw new ApiError("not_found", "This gateway defines no instruments yet: the server's own file does.");
  }
  const answer = (await response.json()) as { data: Schemas["InstrumentReport"]; meta: object };
  return take(Promise.resolve(response.ok ? { data: answer, response } : { error: answer, response }));
}
