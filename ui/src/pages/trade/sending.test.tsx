import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act, renderHook, waitFor } from "@testing-library/react";
import type { ReactNode } from "react";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { ApiError } from "../../api/error";
import { keys } from "../../live/account";
import { attemptFor, isUnclear } from "./sending";
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
  return renderHook(() => useSender(), { wrapper });
}

const sent = (asked: ReturnType<typeof gateway>) => asked.filter((one) => one.path === "/orders");

describe("sending an order", () => {
  beforeEach(() => localStorage.clear());

  it("keeps the name of an order as long as it is not known what became of it", () => {
    const first = attemptFor(null, body);
    expect(attemptFor(first, { ...body }).key).toBe(first.key);
    expect(attemptFor(first, { ...body, qty: "11" }).key).not.toBe(first.key);
    expect(attemptFor(null, body).key).not.toBe(first.key);
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
    expect(two?.key).toBe(one?.key);
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
    for (const state of ["refused", "taken", "taken"]) {
      act(() => result.current.send(body));
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
