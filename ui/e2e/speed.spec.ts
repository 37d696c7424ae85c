// What the page may cost: bytes of a first load, time until it can be used, frames while the market moves, memory that does not grow.

import type { Page } from "@playwright/test";
import { expect, test } from "./support";

/** Compressed bytes of everything that a first look loads. */
const BYTES_MAX = 300 * 1024;
/** Until the page shows the market, on the loopback. */
const USABLE_MS = 2_000;
/** Of the frames of a screen with 60 a second, so many come in time. Headless Chromium draws in software here, on shared cores. */
const FRAMES_SHARE = 0.9;
const FRAME_MS = 1_000 / 60;
const SYMBOLS = Array.from({ length: 50 }, (_, n) => `S${String(n).padStart(2, "0")}`);
/** Messages a second, all symbols together. */
const RATE = 1_000;
/** How long frames and memory are watched, in seconds; an hour is `SOAK_S=3600`. */
const WATCHED_S = Number(process.env.SOAK_S ?? 10);
/** Growth of the page's own memory that is still flat, in bytes. */
const GROWTH_MAX = 8 * 1024 * 1024;

/** A market of fifty symbols that the gateway does not have. */
async function busyMarket(page: Page): Promise<void> {
  const instruments = SYMBOLS.map((symbol) => ({
    symbol,
    venue: "XNAS",
    currency: "USD",
    asset_class: "equity",
    tick_size: "0.01",
    lot_size: "1",
    multiplier: "1",
    order_tick: "0.01",
    order_tick_from: "1",
    order_lot: "1",
    tick_table: null,
    maker_fee_rate: "0",
    taker_fee_rate: "0",
    price_decimals: 2,
    qty_decimals: 0,
    settlement: "paid",
    venue_kind: "paper",
  }));
  const meta = { request_id: "test", next_cursor: null, as_of: null };
  await page.route(/\/api\/v1\/instruments(\?|$)/, (route) => route.fulfill({ json: { data: instruments, meta } }));
  await page.route(/\/api\/v1\/(quotes|history|trades|books)/, (route) => route.fulfill({ json: { data: [], meta } }));
  await page.routeWebSocket(/\/api\/v1\/stream/, (socket) => {
    let seq = 0;
    let sending: ReturnType<typeof setInterval> | undefined;
    const quote = (symbol: string) => {
      seq += 1;
      const bid = 10_000 + (seq % 97);
      const text = (cents: number) => (cents / 100).toFixed(2);
      return JSON.stringify({
        channel: "quotes",
        symbol,
        data: {
          symbol,
          bid_price: text(bid),
          bid_qty: String(100 + (seq % 50)),
          ask_price: text(bid + 1),
          ask_qty: "200",
          last_price: text(bid),
          status: "trading",
          auction: null,
          time: new Date().toISOString(),
          seq,
        },
      });
    };
    socket.onMessage((text) => {
      const asked = JSON.parse(String(text));
      if (asked.op === "auth") socket.send(JSON.stringify({ op: "authenticated", user: "u" }));
      if (asked.op === "ping") socket.send(JSON.stringify({ op: "pong" }));
      if (asked.op === "subscribe") {
        const { channel, symbols } = asked;
        socket.send(JSON.stringify({ op: "subscribed", channel, symbols, from: "1:0", gap: false }));
        sending ??= setInterval(() => {
          for (let n = 0; n < RATE / 50; n += 1) socket.send(quote(SYMBOLS[seq % SYMBOLS.length] ?? "S00"));
        }, 20);
      }
    });
    socket.onClose(() => clearInterval(sending));
  });
}

test("a first load is small, soon there, and does not jump", async ({ page }) => {
  await page.addInitScript(() => {
    const seen = { shift: 0 };
    Object.assign(window, { seen });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) seen.shift += (entry as unknown as { value: number }).value;
    }).observe({ type: "layout-shift", buffered: true });
  });
  await page.goto("/trade");
  await expect(page.getByRole("main").locator("[aria-label], h2").first()).toBeVisible();
  const usable = await page.evaluate(() => performance.now());
  await page.waitForTimeout(3_000);
  const { bytes, shift } = await page.evaluate(() => {
    const entries = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
    const own = (entries as PerformanceResourceTiming[]).filter((entry) => !entry.name.includes("/api/"));
    return {
      bytes: own.reduce((sum, entry) => sum + entry.encodedBodySize, 0),
      shift: (window as unknown as { seen: { shift: number } }).seen.shift,
    };
  });
  console.log(
    `first load: ${(bytes / 1024).toFixed(0)} KiB, usable after ${usable.toFixed(0)} ms, layout shift ${shift.toFixed(4)}`,
  );
  expect(bytes).toBeGreaterThan(50 * 1024);
  expect(bytes).toBeLessThan(BYTES_MAX);
  expect(usable).toBeLessThan(USABLE_MS);
  expect(shift).toBeLessThan(0.01);
});

test("fifty symbols move a thousand times a second, in time and without growing", async ({ page }) => {
  test.setTimeout((WATCHED_S + 60) * 1_000);
  await busyMarket(page);
  await page.goto("/market");
  await expect(page.getByText("S00", { exact: true }).first()).toBeVisible();
  const client = await page.context().newCDPSession(page);
  const heap = async () => {
    await client.send("HeapProfiler.collectGarbage");
    return (await client.send("Runtime.getHeapUsage")).usedSize;
  };
  await page.waitForTimeout(3_000);
  const before = await heap();
  const frames = await page.evaluate(
    (seconds) =>
      new Promise<number[]>((done) => {
        const gaps: number[] = [];
        const began = performance.now();
        let last = began;
        const frame = (now: number) => {
          gaps.push(now - last);
          last = now;
          if (now - began < seconds * 1_000) requestAnimationFrame(frame);
          else done(gaps);
        };
        requestAnimationFrame(frame);
      }),
    WATCHED_S,
  );
  const after = await heap();
  const share = frames.length / ((WATCHED_S * 1_000) / FRAME_MS);
  const worst = [...frames].sort((a, b) => b - a)[Math.floor(frames.length / 100)] ?? 0;
  const growth = (after - before) / 1024 / 1024;
  console.log(
    `frames: ${(share * 60).toFixed(1)} a second, 99 % within ${worst.toFixed(0)} ms; memory ${growth.toFixed(2)} MiB more`,
  );
  expect(share).toBeGreaterThan(FRAMES_SHARE);
  expect(after - before).toBeLessThan(GROWTH_MAX);
});
