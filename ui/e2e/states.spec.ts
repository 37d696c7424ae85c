// What a page shows when there is nothing, not yet anything, something wrong, something old, or nobody at the other end;
// and the pages of an administrator. Each state is made on purpose, and kept as a picture.

import { accessible, expect, look, person, picture, signIn, test } from "./support";

test.setTimeout(240_000);

const DECIDERS = process.env.TIDEGATE_PASSWORD ?? "";
const PAGES = ["trade", "market", "portfolio", "risk", "system"];
const REST = /\/api\/v1\/(?!auth|users\/me|accounts$)/;

test("empty: an account that has done nothing", async ({ page }) => {
  await person(page);
  for (const name of PAGES) {
    await page.goto(`/${name}`);
    await expect(page.locator("main .skeleton")).toHaveCount(0);
    await look(page, `${name}-empty`);
  }
});

test("loading: an answer that does not come yet", async ({ page }) => {
  await person(page);
  await page.route(REST, () => undefined);
  for (const name of PAGES) {
    await page.goto(`/${name}`);
    await expect(page.locator("main .skeleton").first()).toBeVisible();
    await accessible(page);
    await picture(page, `${name}-loading`);
  }
});

test("error: an answer that says what is wrong, and a way to ask again", async ({ page }) => {
  await person(page);
  const error = { code: "unavailable", message: "The engine does not answer.", details: {} };
  await page.route(REST, (route) => route.fulfill({ status: 503, json: { error } }));
  for (const name of PAGES) {
    await page.goto(`/${name}`);
    await expect(page.getByRole("alert").first()).toContainText("The engine does not answer.");
    await look(page, `${name}-error`);
  }
  await page.getByRole("button", { name: /again/i }).first().click();
  await expect(page.getByRole("alert").first()).toContainText("The engine does not answer.");
  // The page asks by itself, too.
  await page.unroute(REST);
  await expect(page.locator("dt", { hasText: /^Input$/ }).first()).toBeVisible({ timeout: 30_000 });
});

test("disconnected, then live again", async ({ page }) => {
  await person(page);
  let isCut = false;
  let cut = (): void => undefined;
  await page.routeWebSocket(/\/api\/v1\/stream/, (socket) => {
    if (isCut) return void socket.close();
    const server = socket.connectToServer();
    cut = () => {
      isCut = true;
      void server.close();
      void socket.close();
    };
  });
  await page.goto("/trade/TIDE");
  await expect(page.getByRole("contentinfo")).toContainText("Live");
  cut();
  await expect(page.getByRole("contentinfo")).toContainText("Disconnected");
  await look(page, "trade-disconnected");
  isCut = false;
  await expect(page.getByRole("contentinfo")).toContainText("Live", { timeout: 20_000 });
});

test("stale: a market that says nothing any more", async ({ page }) => {
  await person(page);
  let isSilent = false;
  await page.routeWebSocket(/\/api\/v1\/stream/, (socket) => {
    const server = socket.connectToServer();
    socket.onMessage((message) => server.send(message));
    server.onMessage((message) => {
      const { op } = JSON.parse(String(message)) as { op?: string };
      if (!isSilent || op) socket.send(message);
    });
  });
  await page.goto("/trade/TIDE");
  await expect(page.getByText("Trading", { exact: true })).toBeVisible();
  isSilent = true;
  await expect(page.getByText(/Nothing new since/).first()).toBeVisible({ timeout: 30_000 });
  await look(page, "trade-stale");
});

test("administrators see people, accounts, instruments and the audit log", async ({ page }) => {
  await signIn(page, "admin@example.org", DECIDERS);
  await expect(page).toHaveURL(/\/trade/);
  for (const section of ["users", "accounts", "instruments", "audit"]) {
    await page.goto(`/admin#${section}`);
    await expect(page.locator("main .skeleton")).toHaveCount(0);
    await look(page, `admin-${section}`);
  }
});
