import { useQueryClient } from "@tanstack/react-query";
import { useCallback, useRef, useState } from "react";
import { keys, merge, type Order, useOrders } from "../../live/account";
import { type Attempt, accountOf, ask, attemptFor, type Body, isUnclear, outcome, type Preview, post } from "./sending";

export type Sending =
  | { state: "idle" | "busy" }
  /** It needs a second factor first. */
  | { state: "asks"; body: Body; preview: Preview }
  | { state: "taken"; text: string }
  | { state: "refused"; error: unknown }
  /** It is not known what became of it. */
  | { state: "unclear"; attempt: Attempt; error: unknown };

export interface Sender {
  now: Sending;
  /** Sends an order; `preview` if it is known of this very one. */
  send: (body: Body, preview?: Preview) => void;
  /** Sends what was authorized. */
  authorized: (body: Body, token: string) => void;
  /** The same again, under the same name. */
  again: () => void;
  /** Puts away what was told. */
  clear: () => void;
}

export function useSender(): Sender {
  const client = useQueryClient();
  const [told, set] = useState<Exclude<Sending, { state: "taken" }> | { state: "taken"; order: Order | undefined }>({
    state: "idle",
  });
  const taken = told.state === "taken" ? told.order : undefined;
  // What the gateway answered is how it stood then; events tell how it stands now.
  const orders = useOrders(taken?.account ?? undefined).data;
  const newest = orders?.find((order) => order.id === taken?.id) ?? taken;
  const now: Sending =
    told.state === "taken" ? { state: "taken", text: newest ? outcome(newest) : "The gateway has it." } : told;
  const open = useRef<Attempt | null>(null);
  const isBusy = useRef(false);

  const go = useCallback(
    async (attempt: Attempt) => {
      set({ state: "busy" });
      try {
        const orders = await post(attempt);
        open.current = null;
        for (const order of orders) {
          client.setQueryData<Order[]>(keys.orders(accountOf(attempt.body)), (rows) => rows && merge(rows, order));
        }
        set({ state: "taken", order: orders[0] });
      } catch (error) {
        open.current = isUnclear(error) ? attempt : null;
        set(isUnclear(error) ? { state: "unclear", attempt, error } : { state: "refused", error });
      }
    },
    [client],
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
        else await go(attemptFor(open.current, body));
      }),
    [go, once],
  );
  const authorized = useCallback(
    (body: Body, token: string) => void once(() => go(attemptFor(open.current, body, token))),
    [go, once],
  );
  const again = useCallback(
    () =>
      void once(async () => {
        if (open.current) await go(open.current);
      }),
    [go, once],
  );
  const clear = useCallback(() => {
    if (isBusy.current) return;
    open.current = null;
    set({ state: "idle" });
  }, []);
  return { now, send, authorized, again, clear };
}
