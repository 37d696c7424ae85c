import {
  accessible,
  beginSecondFactor,
  expect,
  look,
  PASSWORD,
  register,
  signIn,
  signOut,
  test,
  totp,
} from "./support";

/** From the first sight of the page to a first order on paper. */
const FIRST_ORDER_MS = 60_000;

test("a newcomer places a first order within a minute", async ({ page }) => {
  const began = Date.now();
  await register(page, "newcomer");
  await page.getByRole("button", { name: "Open an account with 100,000" }).click();
  const buy = page.getByRole("button", { name: /^Buy 10 TIDE at the market$/ });
  await expect(page.getByLabel("What it would cost")).toContainText("USD");
  await buy.click();
  await expect(page.getByText(/^Bought 10 TIDE at /)).toBeVisible();
  expect(Date.now() - began).toBeLessThan(FIRST_ORDER_MS);
  await look(page, "onboarding");
  await page.getByRole("link", { name: "Watch it trade" }).click();
  await expect(page).toHaveURL(/\/trade\/TIDE$/);
});

test("a second factor is switched on, and asked for from then on", async ({ page }) => {
  test.setTimeout(120_000);
  const email = await register(page, "careful");
  const secret = await beginSecondFactor(page);
  await accessible(page);
  await page.getByLabel("Code of six digits").fill(totp(secret));
  await page.getByRole("button", { name: "Switch it on" }).click();
  const codes = page.getByRole("region", { name: "Your recovery codes" });
  await expect(codes.getByRole("listitem")).toHaveCount(10);
  const [recovery = ""] = await codes.getByRole("listitem").allInnerTexts();
  await accessible(page);
  await codes.getByRole("button", { name: "I have kept them" }).click();
  await expect(codes).toBeHidden();

  const enter = async (code: string) => {
    await signOut(page);
    await signIn(page, email, PASSWORD, code);
  };
  // A code is good once: the next step's is another, and the gateway takes one step ahead.
  await enter(totp(secret, Date.now() + 30_000));
  await expect(page).toHaveURL(/\/trade/);
  await enter(recovery);
  await expect(page).toHaveURL(/\/trade/);
  await enter(recovery);
  await expect(page.getByRole("alert")).toContainText("wrong");
});

test("a session elsewhere is ended, and told so", async ({ page, browser }) => {
  const email = await register(page, "twice");
  const elsewhere = await (await browser.newContext()).newPage();
  await signIn(elsewhere, email);
  await expect(elsewhere).toHaveURL(/\/trade/);
  await page.goto("/settings#sessions");
  await expect(page.getByText("This one")).toBeVisible();
  await page.getByRole("button", { name: /^End the session of/ }).click();
  await page.getByRole("button", { name: "End it" }).click();
  await expect(page.getByRole("button", { name: /^End the session of/ })).toHaveCount(0);
  await expect(elsewhere.getByText("Your session has ended.")).toBeVisible();
  await elsewhere.goto("/settings");
  await expect(elsewhere.getByText("Your session has ended.")).toBeVisible();
});

test("an API key is told once, works, and is revoked", async ({ page, request }) => {
  await register(page, "programmer");
  await page.goto("/settings#api-keys");
  await page.getByRole("button", { name: "New key" }).click();
  await page.getByLabel("What it is for").fill("e2e");
  await page.getByLabel("Your password").fill(PASSWORD);
  await accessible(page);
  await page.getByRole("button", { name: "Make the key" }).click();
  const told = page.getByRole("region", { name: "The token of e2e" });
  const token = ((await told.getByRole("listitem").textContent()) ?? "").trim();
  const ask = () => request.get("/api/v1/quotes/TIDE", { headers: { Authorization: `Bearer ${token}` } });
  expect((await ask()).status()).toBe(200);
  await told.getByRole("button", { name: "I have kept it" }).click();
  await page.getByRole("button", { name: "Revoke e2e" }).click();
  await page.getByRole("button", { name: "Revoke it" }).click();
  await expect(page.getByText("No keys")).toBeVisible();
  expect((await ask()).status()).toBe(401);
  expect(await page.content()).not.toContain(token);
});

test("every section of the settings is accessible and fits", async ({ page }) => {
  test.setTimeout(180_000);
  await register(page, "settler");
  const sections = ["profile", "password", "pin", "sessions", "brokers", "organisations", "plan"];
  for (const section of sections) {
    await page.goto(`/settings#${section}`);
    await expect(page.locator("main .skeleton")).toHaveCount(0);
    await look(page, `settings-${section}`);
  }
});

test("the market is live, is filtered, keeps lists, and leads to a symbol", async ({ page }) => {
  test.setTimeout(120_000);
  await register(page, "watcher");
  await page.goto("/market");
  const table = page.getByRole("region", { name: "Instruments with their quotes" });
  await expect(table.getByRole("link", { name: "TIDE" })).toBeVisible();
  await page.getByRole("button", { name: "TIDE in Watched" }).click();
  await page.getByRole("button", { name: "Watched 1" }).click();
  await expect(table.getByRole("link")).toHaveCount(1);
  await look(page, "market");
  await page.getByRole("button", { name: "Delete Watched" }).click();
  await page.getByRole("button", { name: "Delete it" }).click();
  await expect(table.getByRole("link", { name: "WAVE" })).toBeVisible();
  // Keys of the page rest while a dialog is open.
  await expect(page.getByRole("dialog")).toBeHidden();
  await page.keyboard.press("f");
  await page.keyboard.type("wave");
  await expect(table.getByRole("link")).toHaveCount(1);
  await table.getByRole("link", { name: "WAVE" }).click();
  await expect(page).toHaveURL(/\/trade\/WAVE$/);
});

test("a stranger sees the sign-in, and is led back after it", async ({ page }) => {
  for (const path of ["/sign-in", "/register", "/reset-password#token=tgp_x", "/verify-email", "/join"]) {
    await page.goto(path);
    await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
    expect(new URL(page.url()).hash).toBe("");
    await look(page, path.replace(/[/#=]/g, ""));
  }
  await page.goto("/market");
  await expect(page.getByRole("link", { name: "Sign in" }).first()).toBeVisible();
  await page.goto("/settings");
  await expect(page).toHaveURL(/sign-in\?next=%2Fsettings/);
});
