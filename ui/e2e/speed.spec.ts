// What a first load may cost: bytes, and time until it can be used; nothing moves meanwhile.

import type { Page } from "@playwright/test";
import { expect, person, test } from "./support";

/** Compressed bytes of everything that a first look loads. */
const BYTES_MAX = 300 * 1024;
/** Until the page shows a price, on the loopback. */
const USABLE_MS = 2_000;

// Traces take pictures of the page while it is measured.
test.use({ trace: "off" });

async function firstLoad(page: Page, who: string): Promise<void> {
  await page.addInitScript(() => {
    interface Shift extends PerformanceEntry {
      value: number;
      sources: { node: Node | null }[];
    }
    const seen = { shift: 0, moved: 0 };
    Object.assign(window, { seen });
    const isMarket = ({ node }: { node: Node | null }) => {
      const element = node instanceof Element ? node : node?.parentElement;
      return !!element?.closest(".tape tbody, .ladder-rows");
    };
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as Shift[]) {
        // Trades run down the tape, prices through the ladder, inside boxes that stand still: that is the market, not the page.
        if (entry.sources.length > 0 && entry.sources.every(isMarket)) seen.moved += entry.value;
        else seen.shift += entry.value;
      }
    }).observe({ type: "layout-shift", buffered: true });
  });
  await page.goto("/trade");
  await expect(page.getByRole("region", { name: /^Quote of/ })).toContainText(/Last price \d/);
  const usable = await page.evaluate(() => performance.now());
  await page.waitForTimeout(3_000);
  const { bytes, shift, moved } = await page.evaluate(() => {
    const entries = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
    const own = (entries as PerformanceResourceTiming[]).filter((entry) => !entry.name.includes("/api/"));
    return {
      bytes: own.reduce((sum, entry) => sum + entry.encodedBodySize, 0),
      ...(window as unknown as { seen: { shift: number; moved: number } }).seen,
    };
  });
  console.log(
    `first load of ${who}: ${(bytes / 1024).toFixed(0)} KiB, usable after ${usable.toFixed(0)} ms, layout shift ${shift.toFixed(4)}, the market's own ${moved.toFixed(4)}`,
  );
  expect(bytes).toBeGreaterThan(50 * 1024);
  expect(bytes).toBeLessThan(BYTES_MAX);
  expect(usable).toBeLessThan(USABLE_MS);
  expect(shift).toBeLessThan(0.01);
}

test("a first load is small, soon there, and does not jump", async ({ page }) => {
  await firstLoad(page, "a stranger");
});

test("nor does the first load of somebody who is signed in", async ({ page }) => {
  await person(page);
  await firstLoad(page, "a user");
});
