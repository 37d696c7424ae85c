import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { accessToken, forget, renew, sessionState, signIn, signOut, subscribeToken } from "./session";

const pair = (number: number, user = "u1") => ({
  access_token: `a${number}`,
  expires_in: 900,
  refresh_token: `r${number}`,
  user,
});
const answer = (data: unknown) => Response.json({ data, meta: {} });

beforeEach(() => signIn(pair(1)));
afterEach(() => {
  forget();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** Answers by the end of the path; tells what was asked, with which token. */
function gateway(routes: Record<string, () => Response | Promise<Response>>) {
  const asked: string[] = [];
  vi.stubGlobal("fetch", async (path: string, init: RequestInit) => {
    const route = path.split("/").at(-1) ?? "";
    const { Authorization } = (init.headers ?? {}) as Record<string, string>;
    asked.push([route, Authorization].filter(Boolean).join(" "));
    const found = routes[route];
    if (!found) throw new TypeError("Failed to fetch");
    return found();
  });
  return asked;
}

test("each renewal tells of its token, though the user is the same", async () => {
  gateway({ refresh: () => answer(pair(2)) });
  const told = vi.fn();
  const stop = subscribeToken(told);
  expect(await renew()).toBe("a2");
  expect(told).toHaveBeenCalledTimes(1);
  stop();
});

test("a renewal that nobody asked for may fail", async () => {
  vi.useFakeTimers();
  signIn(pair(1));
  const asked = gateway({});
  // An unhandled rejection would fail the run.
  await vi.advanceTimersByTimeAsync(850_000);
  expect(asked).toEqual(["refresh"]);
  expect(sessionState().status).toBe("in");
});

test("a gateway that does not answer a renewal does not hold the turn of all tabs", async () => {
  const signals: (AbortSignal | null | undefined)[] = [];
  const timeout = vi.spyOn(AbortSignal, "timeout").mockReturnValue(AbortSignal.abort());
  vi.stubGlobal("fetch", async (_: string, { signal }: RequestInit) => {
    signals.push(signal);
    signal?.throwIfAborted();
  });
  await expect(renew()).rejects.toMatchObject({ code: "unreachable" });
  expect(timeout).toHaveBeenCalledWith(10_000);
  expect(signals).toHaveLength(1);
});

test("who signs out is out at once, and the session is ended at the gateway", async () => {
  const asked = gateway({ logout: () => answer({ ended: 1 }) });
  const done = signOut();
  expect(sessionState().status).toBe("out");
  await done;
  expect(asked).toEqual(["logout Bearer a1"]);
  expect(await accessToken()).toBeNull();
});

test("who signs out without a network is out, and hears that the session lives on", async () => {
  gateway({});
  await expect(signOut()).rejects.toThrow("there the session lives on until it ends. The gateway does not answer.");
  expect(sessionState()).toMatchObject({ status: "out", user: null });
});

test("a session whose access token has ended is ended with the next one", async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  vi.setSystemTime(Date.now() + 901_000);
  const asked = gateway({ refresh: () => answer(pair(2)), logout: () => answer({ ended: 1 }) });
  await signOut();
  expect(asked).toEqual(["refresh", "logout Bearer a2"]);
  expect(sessionState().status).toBe("out");
});

/** Another tab takes what is kept, and this one hears of it. */
function elsewhere(token: string, user: string) {
  localStorage.setItem("tidegate.user", user);
  localStorage.setItem("tidegate.session", token);
  dispatchEvent(new StorageEvent("storage", { key: "tidegate.session", newValue: token }));
}

test("another user who signs in in another tab takes this one at once, with a token of their own", async () => {
  const asked = gateway({ refresh: () => answer(pair(2, "u2")) });
  elsewhere("r9", "u2");
  expect(sessionState()).toEqual({ status: "in", user: "u2", fromOtherTab: true });
  expect(await accessToken()).toBe("a2");
  expect(asked).toEqual(["refresh"]);
  expect(sessionState().fromOtherTab).toBe(true);
});

test("a renewal in another tab changes nothing here", async () => {
  const asked = gateway({});
  elsewhere("r9", "u1");
  expect(await accessToken()).toBe("a1");
  expect(asked).toEqual([]);
});

test("a tab that slept finds another user, and does nothing as them that the one before began", async () => {
  gateway({ refresh: () => answer(pair(2, "u2")) });
  await expect(renew()).rejects.toThrow("Somebody else is signed in now.");
  expect(sessionState()).toEqual({ status: "in", user: "u2", fromOtherTab: true });
  expect(await accessToken()).toBe("a2");
});

test("who signed in meanwhile is not signed out by an older sign-out that is heard late", () => {
  dispatchEvent(new StorageEvent("storage", { key: "tidegate.session", newValue: null }));
  expect(localStorage.getItem("tidegate.session")).toBe("r1");
  expect(sessionState().status).toBe("in");
});

test("a renewal under way does not sign in again who signed out meanwhile", async () => {
  let reply: (response: Response) => void = () => undefined;
  const asked = gateway({
    refresh: () =>
      new Promise((resolve) => {
        reply = resolve;
      }),
    logout: () => answer({ ended: 1 }),
  });
  const renewed = renew();
  await vi.waitFor(() => expect(asked).toEqual(["refresh"]));
  await signOut();
  reply(answer(pair(2)));
  expect(await renewed).toBeNull();
  expect(sessionState().status).toBe("out");
});
