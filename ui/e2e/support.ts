import { createHmac } from "node:crypto";
import AxeBuilder from "@axe-core/playwright";
import { expect, type Page, test } from "@playwright/test";

export { expect, test };

/** A password that rules let pass. */
export const PASSWORD = "correct horse battery staple";

let made = 0;

/** An address nobody has yet. */
function newEmail(who: string): string {
  made += 1;
  return `${who}-${Date.now()}-${made}@example.org`;
}

/** Registers somebody over the page, as a newcomer does, and ends where registration leads. */
export async function register(page: Page, who = "ann"): Promise<string> {
  const email = newEmail(who);
  await page.goto("/register");
  await page.getByLabel("Name").fill(who);
  await page.getByLabel("E-mail").fill(email);
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Make an account" }).click();
  await expect(page).toHaveURL(/onboarding/);
  return email;
}

/** Signs in over the page, which goes on to the market if it is right. */
export async function signIn(page: Page, email: string, password = PASSWORD, code?: string): Promise<void> {
  await page.goto("/sign-in");
  await page.getByLabel("E-mail").fill(email);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).last().click();
  if (code) {
    await page.getByLabel("Code of your second factor").fill(code);
    await page.getByRole("button", { name: "Go on" }).click();
  }
}

export interface Person {
  token: string;
  account: string;
}

/** A user with a paper account, made over the API; the page begins signed in as them. */
export async function person(page: Page, who = "ann"): Promise<Person> {
  const email = newEmail(who);
  const made = await page.request.post("/api/v1/auth/register", { data: { email, password: PASSWORD, name: who } });
  expect(made.status(), await made.text()).toBe(201);
  const { access_token: token, refresh_token: refresh } = (await made.json()).data;
  const headers = { Authorization: `Bearer ${token}` };
  const opened = await page.request.post("/api/v1/accounts", { headers, data: { name: "Paper" } });
  expect(opened.status(), await opened.text()).toBe(201);
  await page.addInitScript((kept) => {
    // Once: a reload takes up the token that the page has renewed since.
    if (!localStorage.getItem("begun")) localStorage.setItem("tidegate.session", kept);
    localStorage.setItem("begun", "yes");
  }, refresh);
  return { token, account: (await opened.json()).data.id };
}

export async function signOut(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Menu" }).click();
  await page.getByRole("button", { name: "Sign out" }).click();
}

/** Begins to set up a second factor, over the page; its secret. */
export async function beginSecondFactor(page: Page): Promise<string> {
  await page.goto("/settings#second-factor");
  await page.getByLabel("Your password").fill(PASSWORD);
  await page.getByRole("button", { name: "Set it up" }).click();
  await expect(page.getByRole("img", { name: /QR code/ })).toBeVisible();
  return ((await page.getByTestId("secret").textContent()) ?? "").replace(/\s/g, "");
}

/** A code of a second factor (RFC 6238: SHA-1, six digits, 30 seconds). */
export function totp(secret: string, now = Date.now()): string {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits = [...secret].map((letter) => letters.indexOf(letter).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(now / 30_000)));
  const mac = createHmac("sha1", key).update(step).digest();
  const at = (mac.at(-1) ?? 0) & 15;
  return String((mac.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

const THEMES = ["light", "dark"] as const;
const SIZES = [
  [390, 844],
  [2560, 1300],
  [1280, 800],
] as const;
const ARTIFACTS = process.env.ARTIFACTS ?? "artifacts";

async function wear(page: Page, theme: string): Promise<void> {
  await page.evaluate((name) => {
    document.documentElement.dataset.theme = name;
  }, theme);
}

/** What axe finds wrong, in both themes. */
export async function accessible(page: Page): Promise<void> {
  for (const theme of THEMES) {
    await wear(page, theme);
    const { violations } = await new AxeBuilder({ page })
      .withTags(["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"])
      .analyze();
    const told = violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.html).join(", ")}`);
    expect(told, `${page.url()} in ${theme}`).toEqual([]);
  }
}

/** A picture of a page in both themes at every width, to be looked at; at none of them it scrolls sideways. */
export async function picture(page: Page, name: string): Promise<void> {
  for (const [width, height] of SIZES) {
    await page.setViewportSize({ width, height });
    const main = page.locator("#main");
    const over = await main.evaluate((it) => it.scrollWidth - it.clientWidth);
    expect(over, `${name} at ${width} px`).toBeLessThanOrEqual(0);
    // All of it: what scrolls is between header and bottom line.
    const more = await main.evaluate((it) => it.scrollHeight - it.clientHeight);
    await page.setViewportSize({ width, height: Math.min(height + more, 4_000) });
    for (const theme of THEMES) {
      await wear(page, theme);
      // Charts draw themselves anew.
      await page.waitForTimeout(200);
      await page.screenshot({ path: `${ARTIFACTS}/${name}-${theme}-${width}.png` });
    }
  }
  await page.setViewportSize({ width: 1280, height: 800 });
}

/** Both. */
export async function look(page: Page, name: string): Promise<void> {
  await accessible(page);
  await picture(page, name);
}
