import { expect, type Page, test } from "@playwright/test";

export { expect, test };

/** A password that rules let pass. */
export const PASSWORD = "correct horse battery staple";

let made = 0;

/** An address nobody has yet. */
export function newEmail(who: string): string {
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
