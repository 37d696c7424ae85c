import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act, cleanup, renderHook, waitFor } from "@testing-library/react";
import type { ReactNode } from "react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import * as notices from "../components/notices";
import { keys, merge, noteSent, type Order, useAccountEvents, useExecutions, useOrders } from "./account";
import { type Follower, socket } from "./socket";

const order = (id: string, more: Partial<Order> = {}) =>
  ({
    id,
    seq: "1:0",
    status: "new",
    side: "buy",
    symbol: "TIDE",
    filled_qty: "0",
    leaves_qty: "10",
    created_at: "2026-11-23T10:00:00Z",
    ...more,
  }) as Order;
const page = (data: unknown, next_cursor?: string) => Response.json({ data, meta: { request_id: "r", next_cursor } });

/** Who follows, by channel. */
let followers: [channel: string, follower: Follower][] = [];
let client: QueryClient;

beforeEach(() => {
  followers = [];
  client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  vi.spyOn(socket, "follow").mockImplementation((channel, _, follower) => {
    const one: (typeof followers)[number] = [channel, follower];
    followers.push(one);
    return () => {
      followers = followers.filter((other) => other !== one);
    };
  });
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const wrapper = ({ children }: { children: ReactNode }) => (
  <QueryClientProvider client={client}>{children}</QueryClientProvider>
);
const tell = (channel: string, account: string, data: object) =>
  act(() => {
    for (const [name, follower] of [...followers]) {
      if (name === channel) follower.onData({ ...data }, { channel, account, seq: "9:0" });
    }
  });
const lose = (channel: string) =>
  act(() => {
    for (const [name, follower] of [...followers]) if (name === channel) follower.onGap?.();
  });
const ids = (rows: readonly { id: string }[] | undefined) => rows?.map((row) => row.id);

/** Answers REST; tells what was asked. */
function gateway(answer: (query: Record<string, string>, path: string) => Response | Promise<Response>) {
  const asked: Record<string, string>[] = [];
  vi.stubGlobal("fetch", async (request: Request) => {
    const { pathname, searchParams } = new URL(request.url);
    const query = Object.fromEntries(searchParams);
    asked.push(query);
    return answer(query, pathname);
  });
  return asked;
}

const OWN = [{ id: "a1" }, { id: "a2" }];
const useFills = () => {
  useAccountEvents(OWN);
  return useExecutions("a1");
};
const known = (account: string) => client.getQueryData<Order[]>(keys.orders(account));

test("each of one's own accounts is kept in step, whichever is looked at", () => {
  client.setQueryData(keys.orders("a1"), [order("1")]);
  client.setQueryData(keys.orders("a2"), [order("2")]);
  client.setQueryData(keys.executions("a2"), []);
  renderHook(() => useAccountEvents(OWN), { wrapper });
  tell("orders", "a2", order("2", { seq: "2:0", status: "filled" }));
  tell("fills", "a2", { id: "f1", seq: "2:0" });
  expect(known("a1")).toEqual([order("1")]);
  expect(known("a2")?.[0]?.status).toBe("filled");
  expect(ids(client.getQueryData(keys.executions("a2")))).toEqual(["f1"]);
});

test("accounts are followed once, and new ones are asked for", () => {
  const take = vi.spyOn(socket, "takeNewAccounts");
  const { rerender, unmount } = renderHook(({ accounts }) => useAccountEvents(accounts), {
    wrapper,
    initialProps: { accounts: OWN.slice(0, 1) },
  });
  expect(followers.map(([channel]) => channel)).toEqual(["orders", "fills", "positions", "balances"]);
  take.mockClear();
  rerender({ accounts: OWN.slice(0, 1) });
  expect(take).not.toHaveBeenCalled();
  rerender({ accounts: OWN });
  expect(take).toHaveBeenCalledTimes(1);
  expect(socket.follow).toHaveBeenCalledTimes(4);
  unmount();
  expect(followers).toEqual([]);
});

test("a cancel that was refused is said, and is no order", () => {
  const tellError = vi.spyOn(notices, "tellError").mockImplementation(() => undefined);
  const rows = [
    order("1", { status: "pending_cancel", limit_price: "100.0500" }),
    order("2", { status: "pending_replace" }),
    order("3"),
  ];
  client.setQueryData(keys.orders("a1"), rows);
  renderHook(() => useAccountEvents(OWN), { wrapper });
  for (const id of ["1", "2", "3", "4"]) tell("orders", "a1", { id, cancel_reject: { message: "too late" } });
  expect(tellError.mock.calls.flat()).toEqual([
    "The cancel of buy 10 TIDE at 100.05 was refused: too late",
    "The replace of buy 10 TIDE was refused: too late",
    "The cancel or replace of buy 10 TIDE was refused: too late",
    "The cancel or replace of an order was refused: too late",
  ]);
  expect(known("a1")).toEqual(rows);
});

test("a fill of an order that rests is said, once for each price and at its end", () => {
  const said = vi.spyOn(notices, "tell").mockImplementation(() => undefined);
  client.setQueryData(keys.orders("a1"), [order("r1")]);
  client.setQueryData(keys.orders("x"), [order("r2")]);
  renderHook(() => useAccountEvents(OWN), { wrapper });
  const filled = (
    id: string,
    seq: string,
    filled_qty: string,
    avg_price: string,
    status: "filled" | "partially_filled",
  ) => order(id, { seq, filled_qty, avg_price, status, leaves_qty: String(10 - Number(filled_qty)) });
  const first = filled("r1", "2:0", "2", "138.360000000", "partially_filled");
  tell("orders", "a1", first);
  tell("orders", "a1", first);
  tell("orders", "a1", filled("r1", "3:0", "5", "138.360000000", "partially_filled"));
  tell("orders", "a1", filled("r1", "4:0", "10", "138.360000000", "filled"));
  // Somebody else's, and one that nothing was known of.
  tell("orders", "x", filled("r2", "2:0", "10", "138", "filled"));
  tell("orders", "a2", filled("r3", "2:0", "10", "138", "filled"));
  expect(said.mock.calls.flat()).toEqual(["Bought 2 TIDE at 138.36; 8 are working.", "Bought 10 TIDE at 138.36."]);
});

test("what becomes at once of an order that was just sent is told by its answer", () => {
  const said = vi.spyOn(notices, "tell").mockImplementation(() => undefined);
  client.setQueryData(keys.orders("a1"), [order("s2")]);
  renderHook(() => useAccountEvents(OWN), { wrapper });
  tell("orders", "a1", order("s1"));
  noteSent({ id: "s2" });
  for (const id of ["s1", "s2"]) {
    tell("orders", "a1", order(id, { seq: "2:0", status: "filled", filled_qty: "10", leaves_qty: "0" }));
  }
  expect(said).not.toHaveBeenCalled();
});

test("all open orders are loaded, and the newest of the others", async () => {
  const at = (minute: number) => ({ created_at: `2026-11-23T10:${String(minute).padStart(2, "0")}:00Z` });
  const asked = gateway(({ status, cursor }) => {
    if (status === "closed")
      return page([order("c", { ...at(3), status: "filled" }), order("b", { ...at(2), status: "canceled" })]);
    // `b` ended between the two answers.
    return cursor ? page([order("a", at(1))]) : page([order("d", at(4)), order("b", at(2))], "next");
  });
  const { result } = renderHook(() => useOrders("a1"), { wrapper });
  await waitFor(() => expect(ids(result.current.data)).toEqual(["d", "c", "b", "a"]));
  expect(result.current.data?.[2]?.status).toBe("canceled");
  const account = { account: "a1", limit: "200" };
  expect(asked).toHaveLength(3);
  expect(asked).toEqual(
    expect.arrayContaining([
      { ...account, status: "open" },
      { ...account, status: "open", cursor: "next" },
      { ...account, status: "closed" },
    ]),
  );
});

test("no order that works makes room for newer ones", () => {
  const ended = Array.from({ length: 1_000 }, (_, number) => order(`e${number}`, { status: "filled" }));
  const rows = merge([...ended, order("old")], order("new"));
  expect(rows).toHaveLength(1_001);
  expect(rows[0]?.id).toBe("new");
  expect(rows.at(-1)?.id).toBe("old");
  expect(
    merge(
      ended.map(({ id, seq }) => ({ id, seq })),
      { id: "f", seq: "1:0" },
    ),
  ).toHaveLength(1_000);
});

test("what is told while an answer is under way is not lost to it", async () => {
  let reply: (answer: Response) => void = () => undefined;
  gateway(
    () =>
      new Promise((resolve) => {
        reply = resolve;
      }),
  );
  const { result } = renderHook(useFills, { wrapper });
  await waitFor(() => expect(followers.filter(([channel]) => channel === "fills")).toHaveLength(2));
  tell("fills", "a1", { id: "f2", seq: "2:0" });
  tell("fills", "a2", { id: "f3", seq: "3:0" });
  await act(async () => reply(page([{ id: "f1", seq: "1:0" }])));
  await waitFor(() => expect(ids(result.current.data)).toEqual(["f2", "f1"]));
  expect(followers.filter(([channel]) => channel === "fills")).toHaveLength(1);
});

test("an answer that may lack what came before the first event is asked for again", async () => {
  const answers = [
    [{ id: "f1", seq: "1:0" }],
    [
      { id: "f2", seq: "2:0" },
      { id: "f1", seq: "1:0" },
    ],
  ];
  const replies: (() => void)[] = [];
  gateway(() => new Promise((resolve) => replies.push(() => resolve(page(answers.shift())))));
  const { result } = renderHook(useFills, { wrapper });
  await waitFor(() => expect(replies).toHaveLength(1));
  lose("fills");
  await act(async () => replies[0]?.());
  await waitFor(() => expect(replies).toHaveLength(2));
  expect(result.current.data).toBeUndefined();
  await act(async () => replies[1]?.());
  await waitFor(() => expect(ids(result.current.data)).toEqual(["f2", "f1"]));
});

test("a gap loads what stands anew", async () => {
  const asked = gateway(() => page([]));
  const { result } = renderHook(useFills, { wrapper });
  await waitFor(() => expect(result.current.data).toEqual([]));
  lose("fills");
  await waitFor(() => expect(asked).toHaveLength(2));
});
