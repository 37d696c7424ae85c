import type { Page } from "@playwright/test";
import { expect, look, person, test } from "./support";

test.setTimeout(240_000);

/** A user with a paper account, signed in on the trade page. */
async function trader(page: Page): Promise<void> {
  await person(page, "trader");
  await page.goto("/trade/TIDE");
  await expect(page.getByRole("heading", { name: /TIDE/ })).toBeVisible();
  await expect(page.getByText("Trading", { exact: true })).toBeVisible();
}

const tab = (page: Page, name: RegExp) => page.getByRole("tab", { name });
const send = (page: Page, name: RegExp) =>
  page.getByRole("form", { name: /Order ticket/ }).getByRole("button", { name });

/** The best bid, as the symbol's bar tells it. */
async function bid(page: Page): Promise<number> {
  const text = await page.getByRole("region", { name: "Quote of TIDE" }).locator("dd").first().textContent();
  return Number(/[\d.,]+/.exec(text ?? "")?.[0].replaceAll(",", ""));
}

async function enterLimit(page: Page, price: string): Promise<void> {
  await page.getByLabel("Type").selectOption("limit");
  await page.getByLabel("Quantity").fill("10");
  await page.getByLabel("Limit price").fill(price);
  await send(page, /Buy 10 TIDE limit/).click();
  await expect(page.getByText(/Working: buy 10 TIDE/).first()).toBeVisible();
}

test("a stranger sees the market, and is asked to sign in to trade", async ({ page }) => {
  await page.goto("/trade/TIDE");
  await expect(page.getByText("Trading", { exact: true })).toBeVisible();
  await expect(page.getByRole("button", { name: /Buy limit/ }).first()).toBeVisible();
  await expect(page.getByRole("link", { name: "Sign in to trade" })).toBeVisible();
});

test("a market order is filled, told in the blotter, marked on the chart, and explained", async ({ page }) => {
  await trader(page);
  await page.keyboard.press("b");
  await expect(page.getByLabel("Quantity")).toBeFocused();
  await page.keyboard.type("10");
  await page.getByLabel("Type").selectOption("market");
  await expect(page.getByRole("region", { name: "What this order would do" })).toBeVisible();
  await page.keyboard.press("Control+Enter");
  await expect(page.getByText(/Bought 10 TIDE at/).first()).toBeVisible();
  await tab(page, /Fills/).click();
  const row = page.getByRole("region", { name: "Fills" }).getByRole("row").nth(1);
  await expect(row).toContainText("TIDE");
  await expect(page.getByRole("img", { name: /Chart of TIDE/ })).not.toHaveAttribute("data-fills", "0");
  await row.getByRole("button", { name: /Why/ }).click();
  await expect(page.getByRole("dialog")).toContainText("It took what was displayed");
  await page.keyboard.press("Escape");
  await tab(page, /Positions/).click();
  await page.getByRole("button", { name: "Flatten TIDE" }).click();
  await page.getByRole("button", { name: /Sell 10 TIDE at the market/ }).click();
  await expect(page.getByText("Nothing is held")).toBeVisible({ timeout: 30_000 });
});

test("a limit order rests on the ladder, is replaced by its row and by its line, and canceled", async ({ page }) => {
  await trader(page);
  const price = ((await bid(page)) - 1).toFixed(2);
  await enterLimit(page, price);
  const working = page.getByRole("region", { name: "Working orders" });
  await expect(working.getByRole("row")).toHaveCount(2);

  await working.getByRole("button", { name: /Replace/ }).click();
  const next = (Number(price) - 0.02).toFixed(2);
  await page.getByRole("dialog").getByLabel("Limit price").fill(next);
  await page.getByRole("dialog").getByRole("button", { name: "Replace" }).click();
  await expect(working).toContainText(next);

  const chart = page.getByRole("img", { name: /Chart of TIDE/ });
  const box = await chart.boundingBox();
  if (!box) throw new Error("the chart is not drawn");
  // Prices that lie further apart are shown when their axis is pulled.
  const [axis, middle] = [box.x + box.width - 30, box.y + box.height / 2];
  await page.mouse.move(axis, middle);
  await page.mouse.down();
  await page.mouse.move(axis, middle + 120, { steps: 6 });
  await page.mouse.up();
  // The line is where the pointer becomes one that drags.
  const x = box.x + box.width / 3;
  let y = 0;
  for (let at = box.y + 4; at < box.y + box.height - 40 && y === 0; at += 6) {
    await page.mouse.move(x, at);
    if (await chart.evaluate((element) => element.style.cursor === "ns-resize")) y = at;
  }
  expect(y).toBeGreaterThan(0);
  await page.mouse.down();
  await page.mouse.move(x, y + 12, { steps: 4 });
  await page.mouse.up();
  await expect(page.getByRole("dialog")).toContainText(/Replace limit .* → /);
  await page.getByRole("dialog").getByRole("button", { name: "Replace" }).click();
  await expect(page.getByRole("dialog")).toHaveCount(0);
  await expect(working).not.toContainText(next);

  await working.getByRole("button", { name: /Cancel/ }).click();
  await expect(page.getByText("No orders work")).toBeVisible();
});

test("a click on the ladder arms the ticket and sends nothing", async ({ page }) => {
  await trader(page);
  await page
    .getByRole("button", { name: /Sell limit .* offered/ })
    .last()
    .click();
  await expect(page.getByRole("radio", { name: "Sell" })).toBeChecked();
  await expect(page.getByLabel("Limit price")).not.toHaveValue("");
  await expect(page.getByText("No orders work")).toBeVisible();
});

test("a bracket is an entry with two exits", async ({ page }) => {
  await trader(page);
  const price = await bid(page);
  await page.getByLabel("Bracket: take profit and stop loss").check();
  await page.getByLabel("Take profit at").fill((price * 1.05).toFixed(2));
  await page.getByLabel("Stop loss at").fill((price * 0.95).toFixed(2));
  await page.getByLabel("Quantity").fill("10");
  await page.getByLabel("Limit price").fill((price * 0.99).toFixed(2));
  await send(page, /with exits/).click();
  await expect(page.getByRole("tab", { name: "Working (3)" })).toBeVisible();
  await page.keyboard.press("Shift+X");
  await page.getByRole("button", { name: "Cancel 3 orders" }).click();
  await expect(page.getByText("No orders work")).toBeVisible();
});

test("what there is to see is accessible, and fits", async ({ page }) => {
  await trader(page);
  await page.getByLabel("Quantity").fill("10");
  await page.getByLabel("Type").selectOption("market");
  await expect(page.getByRole("region", { name: "What this order would do" })).toBeVisible();
  await look(page, "trade");
});
