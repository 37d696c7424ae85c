/** What the gateway, or the way to it, refused. `code` is stable; `message` is for people. */
export class ApiError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly details: Record<string, unknown> = {},
    readonly status = 0,
  ) {
    super(message);
    this.name = "ApiError";
  }

  /** The field of the request that is wrong, if one is. */
  get field(): string | undefined {
    const field = this.details.field;
    return typeof field === "string" ? field : undefined;
  }

  /** Whether asking again later may help. */
  get isPassing(): boolean {
    return this.status === 0 || this.status === 429 || this.status === 502 || this.status === 503;
  }
}

/** The gateway's error in an answer that is none. */
export function errorOf(body: unknown, status: number): ApiError {
  const error = (body as { error?: { code?: string; message?: string; details?: Record<string, unknown> } })?.error;
  return new ApiError(
    error?.code ?? "unreadable",
    error?.message ?? `the answer was ${status}`,
    error?.details ?? {},
    status,
  );
}
