// The whole way of one person through the page, before a gateway that asks a second factor for every order.

import type { Page } from "@playwright/test";
import { beginSecondFactor, expect, look, PASSWORD, register, signIn, test, totp } from "./support";

test.setTimeout(300_000);

/** Of the demo's risk officer and its administrator. */
const DECIDERS = process.env.TIDEGATE_PASSWORD ?? "";
const PIN = "2468";

const dialog = (page: Page) => page.getByRole("dialog");
const fills = (page: Page) => page.getByRole("region", { name: "Fills" });
const chart = (page: Page) => page.getByRole("img", { name: /Chart of TIDE/ });

async function reason(page: Page, why: string, act: string): Promise<void> {
  await dialog(page).getByLabel("Reason").fill(why);
  await dialog(page).getByRole("button", { name: act }).click();
  await expect(dialog(page)).toHaveCount(0);
}

test("from registration to a firm that stands still and goes on", async ({ page, browser }) => {
  // Nothing on the way may be refused by the page's own policy, or fail in the page's code.
  const wrong: string[] = [];
  page.on("pageerror", (error) => wrong.push(error.message));
  page.on("console", (message) => message.text().includes("Content Security Policy") && wrong.push(message.text()));

  await register(page, "nina");
  await page.getByRole("button", { name: "Open an account with 100,000" }).click();
  await expect(page.getByText(/The house asks for a PIN or a code with each order/)).toBeVisible();

  const secret = await beginSecondFactor(page);
  await page.getByLabel("Code of six digits").fill(totp(secret));
  await page.getByRole("button", { name: "Switch it on" }).click();
  await page.getByRole("button", { name: "I have kept them" }).click();

  // A code is good once: the next step's is another, and the gateway takes one step ahead.
  await page.goto("/settings#pin");
  await page.getByLabel("New PIN").fill(PIN);
  await page.getByLabel("Your password").first().fill(PASSWORD);
  await page.getByRole("button", { name: "Set it" }).click();
  await expect(page.getByText("Your PIN is set.")).toBeVisible();

  // An order, authorized.
  await page.goto("/trade/TIDE");
  await expect(page.getByText("Trading", { exact: true })).toBeVisible();
  await page.getByLabel("Type").selectOption("market");
  await page.getByLabel("Quantity").fill("10");
  await page.keyboard.press("Control+Enter");
  await expect(dialog(page)).toContainText("Authorize this order");
  await look(page, "authorize");
  await dialog(page).getByLabel("Code of your authenticator").fill("000000");
  await dialog(page).getByRole("button", { name: "Authorize and send" }).click();
  await expect(dialog(page)).toContainText(/wrong|not right/i);
  await dialog(page)
    .getByLabel("Code of your authenticator")
    .fill(totp(secret, Date.now() + 30_000));
  await dialog(page).getByRole("button", { name: "Authorize and send" }).click();
  await expect(page.getByText(/Bought 10 TIDE at/).first()).toBeVisible();

  // The fill, in the blotter and on the chart.
  await page.getByRole("tab", { name: /Fills/ }).click();
  await expect(fills(page).getByRole("row").nth(1)).toContainText("TIDE");
  await expect(chart(page)).not.toHaveAttribute("data-fills", "0");
  await look(page, "trade-after-fill");

  // A bracket, authorized by PIN.
  const quote = await page.getByRole("region", { name: "Quote of TIDE" }).locator("dd").first().textContent();
  const price = Number(/[\d.,]+/.exec(quote ?? "")?.[0].replaceAll(",", ""));
  await page.getByLabel("Type").selectOption("limit");
  await page.getByLabel("Bracket: take profit and stop loss").check();
  await page.getByLabel("Take profit at").fill((price * 1.05).toFixed(2));
  await page.getByLabel("Stop loss at").fill((price * 0.9).toFixed(2));
  await page.getByLabel("Limit price").fill((price * 0.97).toFixed(2));
  await page
    .getByRole("form", { name: /Order ticket/ })
    .getByRole("button", { name: /with exits/ })
    .click();
  await dialog(page).getByText("PIN", { exact: true }).first().click();
  await dialog(page).getByLabel("PIN").last().fill(PIN);
  await dialog(page).getByRole("button", { name: "Authorize and send" }).click();
  await expect(page.getByRole("tab", { name: "Working (3)" })).toBeVisible();
  await page.getByRole("tab", { name: /Working/ }).click();
  const stopLoss = page.getByRole("region", { name: "Working orders" }).getByRole("row", { name: /Stop/ });
  await expect(stopLoss).toContainText((price * 0.9).toFixed(2));
  await expect(stopLoss).toContainText("Held");
  await look(page, "trade-bracket");

  // The kill switch.
  const officer = await (await browser.newContext()).newPage();
  await signIn(officer, "risk@example.org", DECIDERS);
  await expect(officer).toHaveURL(/\/trade/);
  await officer.goto("/risk");
  await officer.getByText("Firm", { exact: true }).click();
  await officer.getByRole("button", { name: "Stop the firm" }).click();
  await reason(officer, "a drill", "Stop the firm now");
  await expect(officer.getByText(/The firm is stopped/)).toBeVisible();
  await look(officer, "risk-stopped");

  // Nina sees it wherever she is: her orders are gone, and none passes.
  await expect(page.getByRole("alert").filter({ hasText: "The firm is stopped." })).toContainText("a drill");
  await expect(page.getByText("No orders work")).toBeVisible();
  await page.getByLabel("Bracket: take profit and stop loss").uncheck();
  await page.getByLabel("Type").selectOption("market");
  await expect(page.getByRole("region", { name: "What this order would do" })).toContainText(/Kill switch/i);
  await look(page, "trade-stopped");

  // Two persons let it go on: one asks, who may not decide; another does.
  await officer.getByRole("button", { name: "Ask for release" }).click();
  await reason(officer, "the drill is over", "Ask for the release");
  await expect(officer.getByText("You asked for it: another person decides.")).toBeVisible();
  await expect(officer.getByRole("button", { name: /^Approve/ })).toHaveCount(0);
  await look(officer, "risk-asked");

  const other = await (await browser.newContext()).newPage();
  await signIn(other, "admin@example.org", DECIDERS);
  await expect(other).toHaveURL(/\/trade/);
  await other.goto("/risk");
  await expect(other.getByRole("button", { name: /^Approve \d/ })).toHaveCount(1);
  await other.getByRole("button", { name: /^Approve \d/ }).click();
  await reason(other, "seen the same", "Approve");
  await expect(other.getByText("Nothing stands still")).toBeVisible();

  await expect(page.getByText("The firm is stopped.")).toHaveCount(0);
  await page.keyboard.press("Control+Enter");
  await dialog(page).getByText("PIN", { exact: true }).first().click();
  await dialog(page).getByLabel("PIN").last().fill(PIN);
  await dialog(page).getByRole("button", { name: "Authorize and send" }).click();
  await expect(page.getByText(/Bought 10 TIDE at/).first()).toBeVisible();
  expect(wrong).toEqual([]);
});
