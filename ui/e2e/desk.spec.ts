import type { Page } from "@playwright/test";
import { expect, look, type Person, person, test } from "./support";

const MINUTE_MS = 60_000;

// Each test looks at a page six times.
test.setTimeout(180_000);

async function buy(page: Page, { token, account }: Person, qty: string): Promise<void> {
  const data = { account, symbol: "TIDE", side: "buy", type: "market", qty };
  const headers = { Authorization: `Bearer ${token}`, "Idempotency-Key": `buy-${account}-${qty}` };
  const answer = await page.request.post("/api/v1/orders", { headers, data });
  expect(answer.status(), await answer.text()).toBe(201);
}

const told = (data: unknown, meta: object = {}) => ({ json: { data, meta: { request_id: "e2e", ...meta } } });

const SAMPLES = 600;
const SAMPLED_EVERY_MS = 2 * MINUTE_MS;

/** Samples that rise, fall and rise, for an account that is too new to have any. */
function samples() {
  const now = Date.now();
  return Array.from({ length: SAMPLES }, (_, index) => {
    const at = new Date(now - (SAMPLES - index) * SAMPLED_EVERY_MS).toISOString();
    const made = 40 * Math.sin(index / 60) + index / 12;
    const realised = Math.floor(index / 50) * 7.25 - 20;
    const fees = index / 200;
    const [equity, booked, unrealised, paid] = [100_000 + made, realised, made - realised + fees, fees].map((one) =>
      one.toFixed(2),
    );
    return { at, currency: "USD", equity, cash: "99000.00", realised: booked, unrealised, fees: paid };
  });
}

/** As if the account had been opened before its samples. */
async function age(page: Page): Promise<void> {
  await page.route("**/api/v1/portfolio/history*", (route) => route.fulfill(told(samples())));
  await page.route(/\/api\/v1\/accounts(\?|$)/, async (route) => {
    const response = await route.fetch();
    const { data, meta } = (await response.json()) as { data: object[]; meta: object };
    const opened = Date.now() - (SAMPLES + 1) * SAMPLED_EVERY_MS;
    await route.fulfill({ response, json: { data: data.map((one) => ({ ...one, created_at: opened })), meta } });
  });
}

test("a trader sees what an order has made of the portfolio", async ({ page }) => {
  const ann = await person(page, "ann");
  await buy(page, ann, "30");
  await age(page);
  await page.goto("/portfolio");
  await expect(page.getByRole("heading", { name: "Positions (1)" })).toBeVisible();
  await expect(page.getByRole("link", { name: "TIDE", exact: true })).toBeVisible();
  await expect(page.getByText("Gross exposure")).toBeVisible();
  const trades = page.getByRole("region", { name: "Trades" }).first();
  await expect(trades.getByText("Buy", { exact: true }).last()).toBeVisible();
  await expect(page.getByRole("link", { name: "Charts by TradingView" })).toBeVisible();
  await expect(page.getByText("Largest drawdown")).toBeVisible();

  await trades.getByLabel("Side").selectOption("sell");
  await expect(page.getByText("None is like that")).toBeVisible();
  await trades.getByLabel("Side").selectOption("");
  const download = page.waitForEvent("download");
  await trades.getByRole("button", { name: /as CSV/ }).click();
  expect((await download).suggestedFilename()).toMatch(/^executions-.*\.csv$/);
  await look(page, "portfolio");

  await page.setViewportSize({ width: 1280, height: 900 });
  await page.getByRole("button", { name: "Flatten TIDE" }).click();
  await expect(page.getByRole("dialog")).toContainText("traded to zero");
  await page.getByRole("button", { name: "Close TIDE" }).click();
  await expect(page.getByText("No open positions")).toBeVisible({ timeout: 15_000 });
});

test("a trader sees limits, what is used of them and what stands still", async ({ page }) => {
  const ann = await person(page, "ann");
  await buy(page, ann, "20");
  await page.goto("/risk");
  await expect(page.getByText(/^Largest position in one/)).toBeVisible();
  await expect(page.getByText("Nothing stands still")).toBeVisible();
  await expect(page.getByRole("heading", { name: "Kill switch" })).toBeHidden();
  await look(page, "risk");
});

test("the system page shows numbers that move", async ({ page }) => {
  await person(page);
  await page.goto("/system");
  const input = page.locator("dt", { hasText: /^Input$/ }).locator("+ dd");
  await expect(input).toBeVisible();
  const before = await input.textContent();
  await expect(input).not.toHaveText(before ?? "");
  await expect(page.locator("dt", { hasText: "Events a second" }).locator("+ dd")).toHaveText(/\d/);
  await expect(page.getByRole("img", { name: /Slowest of each of the last 60 seconds/ })).toBeVisible();
  await page.getByRole("searchbox").fill("refused.");
  await look(page, "system");
});
