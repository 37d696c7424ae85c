import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act, cleanup, renderHook, waitFor } from "@testing-library/react";
import type { ReactNode } from "react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { NewOrder } from "./ticket-model";

const KEPT = "tidegate.attempts";
const body: NewOrder = { account: "a", symbol: "TIDE", side: "buy", type: "market", qty: "10" };
const attempt = { key: "k", body };

beforeEach(() => {
  localStorage.clear();
  sessionStorage.clear();
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

/** The page as a reload makes it: all of its modules anew. */
async function load() {
  vi.resetModules();
  const session = await import("../../api/session");
  const { openAttempt, setOpenAttempt } = await import("./open-attempt");
  const { useSender } = await import("./use-sender");
  const signIn = (user: string) =>
    act(() => session.signIn({ access_token: "t", expires_in: 900, refresh_token: "r", user }));
  const forget = (ended?: boolean) => act(() => session.forget(ended));
  return { signIn, forget, openAttempt, setOpenAttempt, useSender };
}

/** Answers in turn; tells under which name each order came. */
function gateway(answers: (Response | Promise<Response> | "unreachable")[]) {
  const names: (string | null)[] = [];
  vi.stubGlobal("fetch", async (request: Request) => {
    if (new URL(request.url).pathname.endsWith("/preview")) {
      return Response.json({ data: { hash: "h", needs_authorization: false, summary: "s", controls: [] }, meta: {} });
    }
    if (request.method !== "POST") return Response.json({ data: [], meta: {} });
    names.push(request.headers.get("Idempotency-Key"));
    const answer = answers.shift();
    if (!answer || answer === "unreachable") throw new TypeError("Failed to fetch");
    return answer;
  });
  return names;
}

function mount(useSender: Awaited<ReturnType<typeof load>>["useSender"]) {
  const client = new QueryClient();
  const wrapper = ({ children }: { children: ReactNode }) => (
    <QueryClientProvider client={client}>{children}</QueryClientProvider>
  );
  return renderHook(() => useSender("a"), { wrapper });
}

const order = { ...body, id: "1", seq: "1:0", status: "new", filled_qty: "0", leaves_qty: "10" };
const taken = () => Response.json({ data: order, meta: {} }, { status: 201 });

test.each([
  ["whose outcome is unclear", "unreachable"],
  ["whose answer is awaited", new Promise<Response>(() => undefined)],
] as const)("after a reload an order %s is sent again under the same name", async (_, first) => {
  const names = gateway([first, taken()]);
  const before = await load();
  before.signIn("u1");
  const { result } = mount(before.useSender);
  act(() => result.current.send(body));
  await waitFor(() => expect(result.current.now.state).toBe(first === "unreachable" ? "unclear" : "busy"));
  await waitFor(() => expect(names).toHaveLength(1));
  cleanup();

  const after = await load();
  after.signIn("u1");
  const next = mount(after.useSender).result;
  expect(next.current.now).toMatchObject({ state: "unclear", body });
  act(() => next.current.again());
  await waitFor(() => expect(next.current.now.state).toBe("taken"));
  expect(names).toHaveLength(2);
  expect(names[1]).toBe(names[0]);
  expect(sessionStorage.getItem(KEPT)).toBeNull();
});

test.each([
  ["a list", { contingency: "oco", legs: [body, body] }],
  ["a parent order", { order: body, algorithm: "iceberg", slice_qty: "5" }],
])("%s is kept as an order is", async (_, kept) => {
  sessionStorage.setItem(KEPT, JSON.stringify({ user: "u1", attempts: [{ key: "k", body: kept }] }));
  const page = await load();
  page.signIn("u1");
  expect(page.openAttempt("a")?.attempt.body).toEqual(kept);
});

test("who signs out, and another who signs in, finds no attempt", async () => {
  const page = await load();
  for (const leave of [() => page.forget(), () => page.signIn("u2")]) {
    page.signIn("u1");
    page.setOpenAttempt("a", { attempt, error: new Error("unclear") });
    expect(sessionStorage.getItem(KEPT)).toContain('"k"');
    leave();
    expect(page.openAttempt("a")).toBeUndefined();
    expect(sessionStorage.getItem(KEPT)).toBeNull();
  }
});

test("a session that has ended takes no attempt with it, unless another signs in after it", async () => {
  const page = await load();
  page.signIn("u1");
  page.setOpenAttempt("a", { attempt, error: new Error("unclear") });
  page.forget(true);
  const again = await load();
  again.forget(true);
  again.signIn("u1");
  expect(again.openAttempt("a")?.attempt).toEqual(attempt);

  const other = await load();
  other.signIn("u2");
  expect(other.openAttempt("a")).toBeUndefined();
  expect(sessionStorage.getItem(KEPT)).toBeNull();
});

test("what becomes known once who sent it has left is nobody's attempt", async () => {
  let fail: (error: Error) => void = () => undefined;
  const names = gateway([
    new Promise((_, reject) => {
      fail = reject;
    }),
  ]);
  const page = await load();
  page.signIn("u1");
  const { result } = mount(page.useSender);
  act(() => result.current.send(body));
  await waitFor(() => expect(names).toHaveLength(1));
  page.signIn("u2");
  await act(async () => fail(new TypeError("Failed to fetch")));
  expect(page.openAttempt("a")).toBeUndefined();
});

test.each([
  "{",
  "3",
  "null",
  '{"user":"u1"}',
  JSON.stringify({ user: "u1", attempts: [null, 1, {}, { key: "k" }, { key: "k", body: { legs: [] } }] }),
  JSON.stringify({
    user: "u1",
    attempts: [
      { key: 1, body },
      { key: "k", body: { ...body, qty: 10 } },
    ],
  }),
  JSON.stringify({ user: "u1", attempts: [{ key: "k", body: { legs: [body, null] } }] }),
])("what is no attempt is not taken for one: %s", async (text) => {
  sessionStorage.setItem(KEPT, text);
  const page = await load();
  page.signIn("u1");
  expect(page.openAttempt("a")).toBeUndefined();
  expect(sessionStorage.getItem(KEPT)).toBeNull();
});
