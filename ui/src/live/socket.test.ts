import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { forget, renew, signIn } from "../api/session";
import * as notices from "../components/notices";
import { type Follower, socket } from "./socket";

type Sent = Record<string, unknown>;

/** The gateway's end of each socket that was opened. */
class Opened {
  static all: Opened[] = [];
  static readonly OPEN = 1;
  readyState = 1;
  sent: Sent[] = [];
  onopen?: () => void;
  onmessage?: (event: { data: string }) => void;
  onclose?: (event: { code: number }) => void;
  constructor() {
    Opened.all.push(this);
  }
  send(text: string) {
    this.sent.push(JSON.parse(text) as Sent);
  }
  close(code = 1000) {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.onclose?.({ code });
  }
  tell(message: Sent) {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
  of(op: string) {
    return this.sent.filter((one) => one.op === op);
  }
}

const stops: (() => void)[] = [];
const follow = (channel: "orders" | "fills" | "quotes", follower: Partial<Follower> = {}, symbol?: string) =>
  stops.push(socket.follow(channel, symbol ? { symbol } : {}, { onData: () => undefined, ...follower }));
const newest = () => Opened.all.at(-1) as Opened;
const enter = (number = 1, user = "u1") =>
  signIn({ access_token: `a${number}`, expires_in: 900, refresh_token: `r${number}`, user });

/** Opens it as somebody; what is followed is asked for then. */
async function open(): Promise<Opened> {
  const opened = newest();
  opened.onopen?.();
  await vi.waitFor(() => expect(opened.of("auth")).toHaveLength(1));
  opened.tell({ op: "authenticated", user: "u1" });
  return opened;
}

beforeEach(() => {
  Opened.all = [];
  vi.stubGlobal("WebSocket", Opened);
  // Nobody was signed in before: each test has a socket of its own.
  enter();
});
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
  forget();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("the socket shows each new token of the same user", async () => {
  follow("orders");
  const opened = await open();
  const pair = { access_token: "a2", expires_in: 900, refresh_token: "r2", user: "u1" };
  vi.stubGlobal("fetch", async () => Response.json({ data: pair }));
  await renew();
  await vi.waitFor(() => expect(opened.of("auth").map((one) => one.token)).toEqual(["a1", "a2"]));
  expect(Opened.all).toHaveLength(1);
});

test("another person gets another socket, without the token on the old one", async () => {
  follow("orders");
  const opened = await open();
  enter(2, "u2");
  await vi.waitFor(() => expect(Opened.all).toHaveLength(2));
  expect(opened.of("auth")).toHaveLength(1);
  expect(opened.readyState).toBe(3);
});

test("what was there before the first answer is loaded anew, and what is taken up is not", async () => {
  const onGap = vi.fn();
  follow("orders", { onGap });
  const first = await open();
  expect(first.of("subscribe")).toMatchObject([{ channel: "orders" }]);
  first.tell({ op: "subscribed", channel: "orders", from: "5:0", gap: false });
  expect(onGap).toHaveBeenCalledTimes(1);
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  first.close(1001);
  vi.advanceTimersByTime(1_000);
  vi.useRealTimers();
  const second = await open();
  expect(second.of("subscribe")).toMatchObject([{ channel: "orders", from: "5:0" }]);
  second.tell({ op: "subscribed", channel: "orders", from: "5:0", gap: false });
  expect(onGap).toHaveBeenCalledTimes(1);
  second.tell({ op: "subscribed", channel: "orders", from: "9:0", gap: true });
  expect(onGap).toHaveBeenCalledTimes(2);
});

test("new accounts are asked for, from where the others stand", async () => {
  follow("orders");
  follow("quotes", {}, "TIDE");
  const opened = await open();
  opened.tell({ op: "subscribed", channel: "orders", from: "5:0", gap: false });
  opened.sent = [];
  socket.takeNewAccounts();
  expect(opened.of("subscribe")).toMatchObject([{ channel: "orders", from: "5:0" }]);
});

test("without a token for who is signed in it is not live, and tried again", async () => {
  vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout"] });
  vi.setSystemTime(Date.now() + 901_000);
  vi.stubGlobal("fetch", () => Promise.reject(new TypeError("Failed to fetch")));
  follow("orders");
  const opened = newest();
  opened.onopen?.();
  await vi.waitFor(() => expect(opened.readyState).toBe(3));
  expect(opened.sent).toEqual([]);
  expect(socket.state()).not.toBe("live");
  vi.advanceTimersByTime(10_000);
  expect(Opened.all.length).toBeGreaterThan(1);
});

test("a token that is refused while the socket is live ends it", async () => {
  follow("orders");
  const opened = await open();
  opened.tell({ op: "error", id: "auth", error: { code: "not_permitted", message: "other permissions" } });
  await vi.waitFor(() => expect(opened.readyState).toBe(3));
});

test("what is no message is logged once and left out", async () => {
  const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
  const onData = vi.fn();
  follow("quotes", { onData }, "TIDE");
  const opened = await open();
  for (const data of ["garbage", "null", "1"]) opened.onmessage?.({ data });
  expect(warn).toHaveBeenCalledTimes(1);
  opened.tell({ channel: "quotes", symbol: "TIDE", data: { last_price: "1" } });
  expect(onData).toHaveBeenCalledTimes(1);
});

test("it is idle while nothing is followed", async () => {
  enter(2, "u2");
  expect(socket.state()).toBe("idle");
  follow("quotes", {}, "TIDE");
  expect(socket.state()).toBe("connecting");
});

test("what the gateway does not tell is said once, however many ask", async () => {
  const tellError = vi.spyOn(notices, "tellError").mockImplementation(() => undefined);
  for (const symbol of ["A", "B"]) follow("quotes", {}, symbol);
  const opened = await open();
  for (const { id } of opened.of("subscribe")) {
    opened.tell({ op: "error", id, error: { code: "too_many", message: `too many for ${id}` } });
  }
  expect(tellError.mock.calls).toEqual([["The gateway does not tell quotes of A: too many for quotes/A/"]]);
  expect(opened.readyState).toBe(1);
});
