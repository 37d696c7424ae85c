import { existsSync } from "node:fs";
import { defineConfig } from "@playwright/test";

// Debian's Chromium where it is installed (`scripts/setup.sh --test` does), else the one that Playwright brings.
const chromium = process.env.CHROMIUM ?? "/usr/bin/chromium";

export default defineConfig({
  testDir: "e2e",
  outputDir: "test-results",
  // One gateway and one market for all: tests make users of their own.
  workers: 1,
  // The journey's gateway asks a second factor for every order; the others' asks none on paper.
  projects: [
    { name: "pages", testIgnore: ["journey.spec.ts", "frames.spec.ts"] },
    { name: "journey", testMatch: "journey.spec.ts" },
    // Needs nothing but what was built, and the machine for itself.
    { name: "frames", testMatch: "frames.spec.ts" },
  ],
  fullyParallel: false,
  timeout: 60_000,
  expect: { timeout: 10_000 },
  reporter: [["list"]],
  use: {
    // `scripts/ui.sh` starts a demo and names it.
    baseURL: process.env.TIDEGATE_URL ?? "http://127.0.0.1:8080",
    trace: "retain-on-failure",
    screenshot: "only-on-failure",
    launchOptions: {
      args: ["--no-sandbox", "--disable-dev-shm-usage"],
      ...(existsSync(chromium) ? { executablePath: chromium } : {}),
    },
  },
});
