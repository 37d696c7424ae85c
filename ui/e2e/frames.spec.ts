// What the page costs while the market moves: frames, processor time, memory that does not grow. It runs alone: no gateway, no demo.

import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Page } from "@playwright/test";
import { type PreviewServer, preview } from "vite";
import { WebSocketServer } from "ws";
import { expect, test } from "./support";

/** Of the frames of a screen with 60 a second, so many come in time. Headless Chromium draws in software here, on shared cores. */
const FRAMES_SHARE = 0.9;
const FRAME_MS = 1_000 / 60;
const SYMBOLS = Array.from({ length: 50 }, (_, n) => `S${String(n).padStart(2, "0")}`);
/** Messages a second, all symbols together. */
const RATE = 1_000;
/** Of each second, the page's own thread may use so much of a processor: the rest stays for whoever clicks. */
const BUSY_MS = 400;
/** How long an empty page is watched, and how long frames and memory of the market's, in seconds; an hour is `SOAK_S=3600`. */
const EMPTY_S = 2;
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
}

let served: PreviewServer | undefined;

/** Serves what was built, and a true socket that tells quotes; its address. A mocked socket is a call into the page for each message. */
async function serve(): Promise<string> {
  let seq = 0;
  const text = (cents: number) => (cents / 100).toFixed(2);
  const quote = (symbol: string) => {
    seq += 1;
    const bid = 10_000 + (seq % 97);
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
  served = await preview({ logLevel: "warn", preview: { host: "127.0.0.1", port: 0, proxy: {} } });
  const server = served.httpServer as Server;
  new WebSocketServer({ server }).on("connection", (socket) => {
    const sending = setInterval(() => {
      for (let n = 0; n < RATE / 50; n += 1) socket.send(quote(SYMBOLS[seq % SYMBOLS.length] ?? "S00"));
    }, 20);
    socket.on("close", () => clearInterval(sending));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

// Traces take pictures of the page while it is measured.
test.use({ trace: "off" });
test.afterEach(() => served?.close());

/** How long each frame of some seconds took. */
function framesOf(page: Page, during: number): Promise<number[]> {
  return page.evaluate(
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
    during,
  );
}

test("fifty symbols move a thousand times a second, in time and without growing", async ({ page }) => {
  test.setTimeout((WATCHED_S + 60) * 1_000);
  // What the machine leaves to any page; told beside the figure, so that a busy machine is known by it.
  const empty = (await framesOf(page, EMPTY_S)).length / EMPTY_S;
  await busyMarket(page);
  await page.goto(`${await serve()}/market`);
  const row = page.getByRole("row", { name: /S00/ });
  await expect(row).toContainText("Trading");
  const shown = await row.textContent();
  await expect(row).not.toHaveText(shown ?? "");
  const client = await page.context().newCDPSession(page);
  const heap = async () => {
    await client.send("HeapProfiler.collectGarbage");
    return (await client.send("Runtime.getHeapUsage")).usedSize;
  };
  // Processor time: what else the machine does is not the page's.
  await client.send("Performance.enable", { timeDomain: "threadTicks" });
  const busy = async () =>
    (await client.send("Performance.getMetrics")).metrics.find(({ name }) => name === "TaskDuration")?.value ?? 0;
  await page.waitForTimeout(3_000);
  const before = await heap();
  const [busyBefore, began] = [await busy(), performance.now()];
  const frames = await framesOf(page, WATCHED_S);
  const busyMs = ((await busy()) - busyBefore) / ((performance.now() - began) / 1_000_000);
  const after = await heap();
  const share = frames.length / ((WATCHED_S * 1_000) / FRAME_MS);
  const worst = [...frames].sort((a, b) => b - a)[Math.floor(frames.length / 100)] ?? 0;
  const growth = (after - before) / 1024 / 1024;
  console.log(
    `frames: ${(share * 60).toFixed(1)} a second (an empty page has ${empty.toFixed(1)}), 99 % within ${worst.toFixed(0)} ms, busy ${busyMs.toFixed(0)} ms of each; memory ${growth.toFixed(2)} MiB more`,
  );
  expect(share).toBeGreaterThan(FRAMES_SHARE);
  expect(busyMs).toBeGreaterThan(0);
  expect(busyMs).toBeLessThan(BUSY_MS);
  expect(after - before).toBeLessThan(GROWTH_MAX);
});
