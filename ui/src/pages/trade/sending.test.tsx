import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act, renderHook, waitFor } from "@testing-library/react";
import type { ReactNode } from "react";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { ApiError } from "../../api/error";
import { keys, type Order } from "../../live/account";
import { setOpenAttempt } from "./open-attempt";
import { isUnclear, outcome } from "./sending";
import { EMPTY, orderOf } from "./ticket-model";
import { useSender } from "./use-sender";

const body = orderOf({ ...EMPTY, qty: "10", limit: "100" }, "a", "TIDE");
const order = {
  id: "1",
  seq: "1:0",
  symbol: "TIDE",
  side: "buy",
  status: "filled",
  qty: "10",
  filled_qty: "10",
  leaves_qty: "0",
  avg_price: "99.5",
};

type Reply = { status: number; body: unknown } | "unreachable";

/** Answers in turn; what was asked is kept. */
function gateway(replies: Record<string, Reply[]>) {
  const asked: { path: string; key: string | null; token: string | null }[] = [];
  vi.stubGlobal("fetch", async (request: Request) => {
    const path = new URL(request.url).pathname.replace("/api/v1", "");
    asked.push({
      path,
      key: request.headers.get("Idempotency-Key"),
      token: request.headers.get("Trade-Authorization"),
    });
    const reply = replies[path]?.shift();
    if (!reply || reply === "unreachable") throw new TypeError("Failed to fetch");
    return new Response(JSON.stringify(reply.body), {
      status: reply.status,
      headers: { "Content-Type": "application/json" },
    });
  });
  return asked;
}

const preview = (needs: boolean): Reply => ({
  status: 200,
  body: { data: { hash: "h", needs_authorization: needs, summary: "s", controls: [] }, meta: {} },
});
const taken: Reply = { status: 201, body: { data: order, meta: {} } };
const failed = (code: string, status: number): Reply => ({
  status,
  body: { error: { code, message: code, details: {} } },
});

function mount(client = new QueryClient()) {
  const wrapper = ({ children }: { children: ReactNode }) => (
    <QueryClientProvider client={client}>{children}</QueryClientProvider>
  );
  return renderHook(() => useSender("a"), { wrapper });
}

const sent = (asked: ReturnType<typeof gateway>) => asked.filter((one) => one.path === "/orders");

describe("sending an order", () => {
  beforeEach(() => {
    localStorage.clear();
    setOpenAttempt("a", null);
  });

  it.each([
    ["outcome_unknown", true],
    ["unreachable", true],
    ["internal", true],
    ["rejected", false],
    ["invalid_field", false],
    ["unavailable", false],
  ])("%s is unclear: %s", (code, unclear) => {
    expect(isUnclear(new ApiError(code, code))).toBe(unclear);
  });

  it.each<[string, Reply]>([
    ["the gateway does not answer", "unreachable"],
    ["the engine did not answer", failed("outcome_unknown", 504)],
  ])("sends the same again under the same name when %s", async (_, reply) => {
    const asked = gateway({ "/orders/preview": [preview(false)], "/orders": [reply, taken] });
    const { result } = mount();
    act(() => result.current.send(body));
    await waitFor(() => expect(result.current.now.state).toBe("unclear"));
    act(() => result.current.again());
    await waitFor(() => expect(result.current.now).toEqual({ state: "taken", text: "Bought 10 TIDE at 99.50." }));
    const [one, two] = sent(asked);
    expect(one?.key).toMatch(/^[0-9a-f]{32}$/);
    // A preview has no name: the gateway would keep its answer for a day.
    expect(asked[0]).toMatchObject({ path: "/orders/preview", key: null });
    expect(two?.key).toBe(one?.key);
  });

  it.each<[string, Reply]>([
    ["the engine cannot be reached", failed("unavailable", 503)],
    ["there were too many requests", failed("too_many", 429)],
    ["the session has ended", failed("wrong_credentials", 401)],
    ["the authorization is spent", failed("authorization_required", 403)],
    ["the first is still under way", failed("conflict", 409)],
  ])("keeps the name of an unclear order when then %s", async (_, reply) => {
    const asked = gateway({
      "/orders/preview": [preview(false)],
      "/orders": [failed("outcome_unknown", 504), reply, taken],
    });
    const { result } = mount();
    act(() => result.current.send(body));
    await waitFor(() => expect(result.current.now.state).toBe("unclear"));
    act(() => result.current.again());
    await waitFor(() => expect(sent(asked)).toHaveLength(2));
    await waitFor(() => expect(result.current.now.state).toBe("unclear"));
    // What was told is put away when the ticket changes: what is open is not.
    act(() => result.current.clear());
    expect(result.current.now.state).toBe("unclear");
    act(() => result.current.again());
    await waitFor(() => expect(result.current.now.state).toBe("taken"));
    expect(new Set(sent(asked).map((one) => one.key)).size).toBe(1);
  });

  it("an unclear order ends when the same again is refused", async () => {
    gateway({
      "/orders/preview": [preview(false)],
      "/orders": [failed("outcome_unknown", 504), failed("rejected", 422)],
    });
    const { result } = mount();
    act(() => result.current.send(body));
    await waitFor(() => expect(result.current.now.state).toBe("unclear"));
    act(() => result.current.again());
    await waitFor(() => expect(result.current.now.state).toBe("refused"));
  });

  it("keeps an unclear order for the next page of its account, which sends no other before", async () => {
    const asked = gateway({
      "/orders/preview": [preview(false), preview(false)],
      "/orders": [failed("outcome_unknown", 504), taken],
    });
    const first = mount();
    act(() => first.result.current.send(body));
    await waitFor(() => expect(first.result.current.now.state).toBe("unclear"));
    first.unmount();

    const { result } = mount();
    expect(result.current.now).toMatchObject({ state: "unclear", body });
    act(() => result.current.send({ ...body, symbol: "WAVE" }));
    await waitFor(() => expect(asked.filter((one) => one.path === "/orders/preview")).toHaveLength(2));
    expect(sent(asked)).toHaveLength(1);
    act(() => result.current.again());
    await waitFor(() => expect(result.current.now.state).toBe("taken"));
    expect(sent(asked)[1]?.key).toBe(sent(asked)[0]?.key);
  });

  it("takes another name once an unclear order is given up", async () => {
    const asked = gateway({ "/orders/preview": [preview(false), preview(false)], "/orders": ["unreachable", taken] });
    const { result } = mount();
    act(() => result.current.send(body));
    await waitFor(() => expect(result.current.now.state).toBe("unclear"));
    act(() => result.current.giveUp());
    expect(result.current.now.state).toBe("idle");
    act(() => result.current.send(body));
    await waitFor(() => expect(result.current.now.state).toBe("taken"));
    expect(sent(asked)[1]?.key).not.toBe(sent(asked)[0]?.key);
  });

  it("an order that is done for the day still works", () => {
    const told = { ...order, status: "done_for_day", filled_qty: "0", leaves_qty: "10" } as unknown as Order;
    expect(outcome(told)).toBe("Waits for the next day: buy 10 TIDE.");
    expect(outcome({ ...told, filled_qty: "4", leaves_qty: "6" })).toBe(
      "Bought 4 TIDE at 99.50; 6 wait for the next day.",
    );
  });

  it("tells what became of an order after the gateway's answer", async () => {
    const working = { ...order, account: "a", seq: "1:0", status: "new", filled_qty: "0", leaves_qty: "10" };
    gateway({
      "/orders/preview": [preview(false)],
      "/orders": [
        { status: 201, body: { data: working, meta: {} } },
        { status: 200, body: { data: [], meta: {} } },
      ],
    });
    const client = new QueryClient();
    client.setQueryData(keys.orders("a"), []);
    const { result } = mount(client);
    act(() => result.current.send(body));
    await waitFor(() => expect(result.current.now).toEqual({ state: "taken", text: "Working: buy 10 TIDE." }));
    act(() => client.setQueryData(keys.orders("a"), [{ ...order, account: "a", seq: "2:0" }]));
    await waitFor(() => expect(result.current.now).toEqual({ state: "taken", text: "Bought 10 TIDE at 99.50." }));
  });

  it("takes another name after a refusal, and for the next order", async () => {
    const asked = gateway({
      "/orders/preview": [preview(false), preview(false), preview(false)],
      "/orders": [failed("rejected", 422), taken, taken],
    });
    const { result } = mount();
    for (const [qty, state] of [
      ["10", "refused"],
      ["10", "taken"],
      ["20", "taken"],
    ] as const) {
      act(() => result.current.send({ ...body, qty }));
      await waitFor(() => expect(result.current.now.state).toBe(state));
    }
    expect(new Set(sent(asked).map((one) => one.key)).size).toBe(3);
  });

  it("a second press while one is under way sends nothing", async () => {
    const asked = gateway({ "/orders/preview": [preview(false), preview(false)], "/orders": [taken, taken] });
    const { result } = mount();
    act(() => {
      result.current.send(body);
      result.current.send(body);
    });
    await waitFor(() => expect(result.current.now.state).toBe("taken"));
    expect(sent(asked)).toHaveLength(1);
  });

  it("a second click after the answer sends the same again only once a second has passed", async () => {
    const asked = gateway({
      "/orders/preview": [preview(false), preview(false)],
      "/orders": [taken, taken],
    });
    const { result } = mount();
    act(() => result.current.send(body));
    await waitFor(() => expect(result.current.now.state).toBe("taken"));
    expect(result.current.isJustSent(body)).toBe(true);
    expect(result.current.isJustSent({ ...body, qty: "20" })).toBe(false);
    act(() => result.current.send(body));
    await waitFor(() => expect(result.current.isJustSent(body)).toBe(false), { timeout: 3_000 });
    expect(sent(asked)).toHaveLength(1);
    act(() => result.current.send(body));
    await waitFor(() => expect(sent(asked)).toHaveLength(2));
  });

  it("asks for a second factor where the house does, and sends its token", async () => {
    const asked = gateway({ "/orders/preview": [preview(true)], "/orders": [taken] });
    const { result } = mount();
    act(() => result.current.send(body));
    await waitFor(() => expect(result.current.now.state).toBe("asks"));
    expect(sent(asked)).toHaveLength(0);
    act(() => result.current.authorized(body, "tga_1"));
    await waitFor(() => expect(result.current.now.state).toBe("taken"));
    expect(sent(asked)[0]?.token).toBe("tga_1");
  });

  it("sends nothing when the preview fails", async () => {
    const asked = gateway({ "/orders/preview": ["unreachable"] });
    const { result } = mount();
    act(() => result.current.send(body));
    await waitFor(() => expect(result.current.now.state).toBe("refused"));
    expect(sent(asked)).toHaveLength(0);
  });
});
