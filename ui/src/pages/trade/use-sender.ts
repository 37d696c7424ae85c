import { useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useRef, useState } from "react";
import { newKey } from "../../api/client";
import { keys, merge, noteSent, type Order, useOrders } from "../../live/account";
import { openAttempt, setOpenAttempt, useOpenAttempt } from "./open-attempt";
import { type Attempt, accountOf, ask, type Body, isUnclear, outcome, type Preview, post } from "./sending";

/** The same order again is more often a second click than a second order: for so long after the first it does not go out. */
const SAME_AFTER_MS = 1_000;

export type Sending =
  | { state: "idle" | "busy" }
  /** It needs a second factor first. */
  | { state: "asks"; body: Body; preview: Preview }
  | { state: "taken"; text: string }
  | { state: "refused"; error: unknown }
  /** It is not known what became of it. */
  | { state: "unclear"; body: Body; error: unknown };

export interface Sender {
  now: Sending;
  /** Whether this very order was taken just now, so that it is not sent again yet. */
  isJustSent: (body: Body) => boolean;
  /** Sends an order; `preview` if it is known of this very one. */
  send: (body: Body, preview?: Preview) => void;
  /** Sends what was authorized. */
  authorized: (body: Body, token: string) => void;
  /** The same again, under the same name. */
  again: () => void;
  /** Forgets the order of which it is not known what became: the user has looked. */
  giveUp: () => void;
  /** Puts away what was told. An order of which it is not known what became stays. */
  clear: () => void;
}

/** Sends the orders of an account, one at a time: the next goes out once it is known what became of the one before. */
export function useSender(account: string | undefined): Sender {
  const client = useQueryClient();
  const [told, set] = useState<
    Exclude<Sending, { state: "taken" | "unclear" }> | { state: "taken"; order: Order | undefined }
  >({ state: "idle" });
  const open = useOpenAttempt(account);
  const taken = told.state === "taken" ? told.order : undefined;
  // What the gateway answered is how it stood then; events tell how it stands now.
  const orders = useOrders(taken?.account ?? undefined).data;
  const newest = orders?.find((order) => order.id === taken?.id) ?? taken;
  const isBusy = useRef(false);
  // The ref is for a click that comes before the page is drawn anew, the state for the page.
  const justSentNow = useRef<string | null>(null);
  const [justSent, setJustSent] = useState<string | null>(null);
  const lock = useCallback((sent: string | null) => {
    justSentNow.current = sent;
    setJustSent(sent);
  }, []);
  useEffect(() => {
    if (justSent === null) return;
    const timer = setTimeout(() => lock(null), SAME_AFTER_MS);
    return () => clearTimeout(timer);
  }, [justSent, lock]);

  const now = ((): Sending => {
    if (open?.error) return { state: "unclear", body: open.attempt.body, error: open.error };
    if (open) return { state: "busy" };
    if (told.state !== "taken") return told;
    return { state: "taken", text: newest ? outcome(newest) : "The gateway has it." };
  })();

  const go = useCallback(
    async (attempt: Attempt, isAgain = false) => {
      const of = accountOf(attempt.body);
      setOpenAttempt(of, { attempt, error: null });
      try {
        const orders = await post(attempt);
        lock(JSON.stringify(attempt.body));
        for (const order of orders) {
          noteSent(order);
          client.setQueryData<Order[]>(keys.orders(of), (rows) => rows && merge(rows, order));
        }
        set({ state: "taken", order: orders[0] });
        setOpenAttempt(of, null);
      } catch (error) {
        // Who sent it may have left meanwhile, and another may sit here now.
        if (openAttempt(of)?.attempt !== attempt) return set({ state: "idle" });
        const isOpen = isUnclear(error, isAgain);
        set(isOpen ? { state: "idle" } : { state: "refused", error });
        setOpenAttempt(of, isOpen ? { attempt, error } : null);
      }
    },
    [client, lock],
  );

  /** A new order, under a name of its own. */
  const begin = useCallback(
    async (attempt: Omit<Attempt, "key">) => {
      // Another page of this account may have sent one meanwhile: only one at a time has its name kept.
      if (openAttempt(accountOf(attempt.body))) {
        set({ state: "refused", error: new Error("Another order is under way: this one was not sent.") });
        return;
      }
      await go({ key: newKey(), ...attempt });
    },
    [go],
  );

  /** One at a time: a second click is not a second order. */
  const once = useCallback(async (act: () => Promise<void>) => {
    if (isBusy.current) return;
    isBusy.current = true;
    await act().finally(() => {
      isBusy.current = false;
    });
  }, []);

  const send = useCallback(
    (body: Body, known?: Preview) =>
      void once(async () => {
        if (justSentNow.current === JSON.stringify(body)) return;
        set({ state: "busy" });
        let preview = known;
        try {
          preview ??= await ask(body);
        } catch (error) {
          // Nothing was sent.
          set({ state: "refused", error });
          return;
        }
        if (preview.needs_authorization) set({ state: "asks", body, preview });
        else await begin({ body });
      }),
    [begin, once],
  );
  const authorized = useCallback(
    (body: Body, authorization: string) => void once(() => begin({ body, authorization })),
    [begin, once],
  );
  const again = useCallback(
    () =>
      void once(async () => {
        const unclear = openAttempt(account ?? "");
        if (unclear?.error) await go(unclear.attempt, true);
      }),
    [account, go, once],
  );
  const giveUp = useCallback(() => {
    if (!account || !openAttempt(account)?.error) return;
    set({ state: "idle" });
    setOpenAttempt(account, null);
  }, [account]);
  const clear = useCallback(() => {
    if (!isBusy.current) set({ state: "idle" });
  }, []);
  const isJustSent = (body: Body) => justSent === JSON.stringify(body);
  return { now, isJustSent, send, authorized, again, giveUp, clear };
}
