// The gateway's REST API, typed by its own description (`openapi.json`).

import createClient, { type Middleware } from "openapi-fetch";
import { ApiError, errorOf } from "./error";
import type { components, paths } from "./generated/schema";
import { accessToken, renew } from "./session";

export type Schemas = components["schemas"];

/** A request that takes longer is given up. */
const TIMEOUT_MS = 15_000;

async function send(request: Request): Promise<Response> {
  const token = request.headers.has("Authorization") ? null : await accessToken();
  const again = request.clone();
  if (token) request.headers.set("Authorization", `Bearer ${token}`);
  const response = await reach(request);
  // Ended early, for instance by a new password elsewhere: once more with the next token, if there is one.
  if (response.status !== 401 || !token) return response;
  const body = await response
    .clone()
    .json()
    .catch(() => null);
  if (errorOf(body, 401).code !== "unauthenticated") return response;
  const next = await renew();
  if (!next) return response;
  again.headers.set("Authorization", `Bearer ${next}`);
  return reach(again);
}

async function reach(request: Request): Promise<Response> {
  try {
    return await fetch(request, { signal: AbortSignal.any([request.signal, AbortSignal.timeout(TIMEOUT_MS)]) });
  } catch (error) {
    if (request.signal.aborted) throw error;
    throw new ApiError("unreachable", "The gateway does not answer.");
  }
}

// Every POST is named, so that one that is sent again is not done again. A preview does nothing, and its answer need not be kept.
const named: Middleware = {
  onRequest({ request }) {
    const isPreview = new URL(request.url).pathname.endsWith("/preview");
    if (request.method === "POST" && !isPreview && !request.headers.has("Idempotency-Key")) {
      request.headers.set("Idempotency-Key", newKey());
    }
    return request;
  },
};

/** A name for a request. `crypto.randomUUID` is for secure contexts only. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export const api = createClient<paths>({ baseUrl: globalThis.location?.origin ?? "http://localhost", fetch: send });
api.use(named);

type Enveloped = { data: unknown; meta: { next_cursor?: string | null; as_of?: string | null } };
type Answer<T> = Promise<{ data?: T; error?: unknown; response: Response }>;

/** What an answer holds; its error is thrown. */
export async function take<T extends Enveloped>(answer: Answer<T>): Promise<T["data"]> {
  return (await page(answer)).data;
}

/** The same with what is said about it: the cursor of the next page, the last event that it includes. */
export async function page<T extends Enveloped>(answer: Answer<T>): Promise<T> {
  const { data, error, response } = await answer;
  if (data === undefined) throw errorOf(error, response.status);
  return data;
}
