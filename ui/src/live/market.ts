// The market as it stands: the newest quote, book, trades and bar of each symbol that somebody looks at.

import { useCallback, useSyncExternalStore } from "react";
import type { Schemas } from "../api/client";
import { type Link, type MarketChannel, socket } from "./socket";
import { Feed } from "./store";

export type Quote = Schemas["QuoteReport"];
export type Book = Schemas["BookReport"];
export type Trade = Schemas["TradeReport"];
export type Bar = Schemas["BarReport"];

/** Trades kept of a symbol. */
const TRADES_MAX = 200;
/** What is older than this does not pass as live. */
const STALE_MS = 5_000;
const NONE: Trade[] = [];

/** A state, and when it came, by the clock of this machine. */
export interface Told<T> {
  data: T;
  at: number;
}

function newest<T extends { seq: number }>(channel: MarketChannel): Feed<Told<T>> {
  return new Feed((symbol, set) =>
    socket.follow(
      channel,
      { symbol },
      {
        onData: (told) =>
          set((before) => {
            const data = told as T;
            // The newest is told again whenever the socket comes back: that is no news.
            return { data, at: before?.data.seq === data.seq ? before.at : Date.now() };
          }),
      },
    ),
  );
}

/** The time, every second. */
const clock = new Feed<number>((_, set) => {
  const timer = setInterval(() => set(() => Date.now()), 1_000);
  return () => clearInterval(timer);
});

const quotes = newest<Quote>("quotes");
const books = newest<Book>("books");
const trades = new Feed<Trade[]>((symbol, set) =>
  socket.follow(
    "trades",
    { symbol },
    {
      onData: (data) =>
        set((before = []) => {
          const trade = data as unknown as Trade;
          const last = before[0];
          // The newest is told again whenever one comes back.
          if (last?.number === trade.number && last.time === trade.time) return before;
          // The gateway began anew, and its numbers with it.
          if (last && last.number >= trade.number) return [trade];
          return [trade, ...before].slice(0, TRADES_MAX);
        }),
      // Trades are missing, or the gateway began anew: who shows them asks for those before.
      onGap: () => set(() => NONE),
    },
  ),
);
const bars = new Feed<Bar>((key, set) => {
  const [symbol, resolution] = key.split("|");
  return socket.follow(
    "bars",
    { symbol: symbol ?? "", resolution: resolution ?? "1m" },
    {
      onData: (data) => set(() => data as unknown as Bar),
    },
  );
});

function useFeed<T>(feed: Feed<T>, key: string | undefined): T | undefined {
  return useOf(feed, key, (value) => value);
}

function useOf<T, Part>(feed: Feed<T>, key: string | undefined, part: (value: T | undefined) => Part): Part {
  const look = useCallback((listener: () => void) => (key ? feed.look(key, listener) : () => undefined), [feed, key]);
  return useSyncExternalStore(look, () => part(key ? feed.get(key) : undefined));
}

/** The newest quote; `undefined` until it is known. */
export function useQuote(symbol: string | undefined): Told<Quote> | undefined {
  return useFeed(quotes, symbol);
}

/** A text of the newest quote: who shows it is drawn anew only when it is another. */
export function useQuoteText<Text extends string | null | undefined>(
  symbol: string,
  of: (quote: Quote | undefined) => Text,
): Text {
  return useOf(quotes, symbol, (told) => of(told?.data));
}

/** The time, told every second. */
export function useNow(): number {
  return useFeed(clock, "now") ?? Date.now();
}

function useIsOldIn<T>(feed: Feed<Told<T>>, symbol: string): boolean {
  const isLive = useLink() === "live";
  const look = useCallback(
    (listener: () => void) => {
      const stops = [feed.look(symbol, listener), clock.look("now", listener)];
      return () => {
        for (const stop of stops) stop();
      };
    },
    [feed, symbol],
  );
  const isRecent = useSyncExternalStore(look, () => Date.now() - (feed.get(symbol)?.at ?? 0) <= STALE_MS);
  return !isLive || !isRecent;
}

/** Whether the newest quote must not pass as live: nothing new came for a while, or messages do not come at all. */
export function useIsOld(symbol: string): boolean {
  return useIsOldIn(quotes, symbol);
}

/** The same of the newest book, which may change behind its best prices. */
export function useIsBookOld(symbol: string): boolean {
  return useIsOldIn(books, symbol);
}

/** The newest book. */
export function useBook(symbol: string | undefined): Told<Book> | undefined {
  return useFeed(books, symbol);
}

/** Trades since somebody looks and the socket is open, the newest first. */
export function useTrades(symbol: string | undefined): Trade[] {
  return useFeed(trades, symbol) ?? NONE;
}

/** The newest bar of a resolution, without a look of React's: charts draw by themselves. */
export function followBar(symbol: string, resolution: string, onBar: (bar: Bar) => void): () => void {
  const key = `${symbol}|${resolution}`;
  return bars.look(key, () => {
    const bar = bars.get(key);
    if (bar) onBar(bar);
  });
}

/** Whether messages come. */
export function useLink(): Link {
  return useSyncExternalStore(
    (listener) => socket.subscribe(listener),
    () => socket.state(),
  );
}
