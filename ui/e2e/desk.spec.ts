import AxeBuilder from "@axe-core/playwright";
import type { Page, TestInfo } from "@playwright/test";
import { expect, newEmail, PASSWORD, test } from "./support";

const WIDTHS = [390, 1280, 2560];
const THEMES = ["light", "dark"] as const;
const MINUTE_MS = 60_000;

// Each test looks at a page six times.
test.setTimeout(180_000);

interface Person {
  token: string;
  refresh: string;
  account: string;
}

/** A user with an account, over the API. */
async function person(page: Page, who: string): Promise<Person> {
  const credentials = { email: newEmail(who), password: PASSWORD, name: who };
  const pair = (await (await page.request.post("/api/v1/auth/register", { data: credentials })).json()).data;
  const headers = { Authorization: `Bearer ${pair.access_token}`, "Idempotency-Key": `open-${credentials.email}` };
  const opened = await page.request.post("/api/v1/accounts", { headers, data: { name: "Paper" } });
  expect(opened.status(), await opened.text()).toBe(201);
  return { token: pair.access_token, refresh: pair.refresh_token, account: (await opened.json()).data.id };
}

async function enter(page: Page, { refresh }: Person): Promise<void> {
  await page.addInitScript((token) => {
    // A reload takes up the token that the page has renewed since.
    if (!localStorage.getItem("tidegate.session")) localStorage.setItem("tidegate.session", token);
  }, refresh);
}

async function buy(page: Page, { token, account }: Person, qty: string): Promise<void> {
  const data = { account, symbol: "TIDE", side: "buy", type: "market", qty };
  const headers = { Authorization: `Bearer ${token}`, "Idempotency-Key": `buy-${account}-${qty}` };
  const answer = await page.request.post("/api/v1/orders", { headers, data });
  expect(answer.status(), await answer.text()).toBe(201);
}

/** Looks at a page in both themes and all widths: nothing is wrong for those who cannot see or point, nothing scrolls sideways. */
async function look(page: Page, info: TestInfo, name: string): Promise<void> {
  for (const theme of THEMES) {
    await page.evaluate((chosen) => {
      document.documentElement.dataset.theme = chosen;
    }, theme);
    await page.setViewportSize({ width: 1280, height: 900 });
    const found = await new AxeBuilder({ page }).withTags(["wcag2a", "wcag2aa"]).analyze();
    const wrong = found.violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.html).join(" ")}`);
    expect(wrong, `${name} ${theme}`).toEqual([]);
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: 900 });
      // All of a page in one picture: what scrolls is between header and bottom line.
      const { beyond, more } = await page.locator("#main").evaluate((main) => ({
        beyond: main.scrollWidth - main.clientWidth,
        more: main.scrollHeight - main.clientHeight,
      }));
      expect(beyond, `${name} at ${width} px`).toBeLessThanOrEqual(0);
      await page.setViewportSize({ width, height: 900 + more });
      // The chart draws itself anew after it was resized.
      await page.waitForTimeout(300);
      await page.screenshot({ path: info.outputPath(`${name}-${theme}-${width}.png`) });
    }
  }
}

const told = (data: unknown, meta: object = {}) => ({ json: { data, meta: { request_id: "e2e", ...meta } } });

/** Two days of samples that rise, fall and rise, for an account that is too new to have any. */
function samples() {
  const now = Date.now();
  return Array.from({ length: 600 }, (_, index) => {
    const at = new Date(now - (600 - index) * 2 * MINUTE_MS).toISOString();
    const gained = 40 * Math.sin(index / 60) + index / 12;
    const realised = (Math.floor(index / 50) * 7.25 - 20).toFixed(2);
    const equity = (100_000 + gained).toFixed(2);
    return {
      at,
      currency: "USD",
      equity,
      cash: "99000.00",
      realised,
      unrealised: "1.00",
      fees: (index / 200).toFixed(2),
    };
  });
}

test("a trader sees what an order has made of the portfolio", async ({ page }, info) => {
  const ann = await person(page, "ann");
  await buy(page, ann, "30");
  await enter(page, ann);
  await page.route("**/api/v1/portfolio/history*", (route) => route.fulfill(told(samples())));
  await page.goto("/portfolio");
  await expect(page.getByRole("heading", { name: "Positions (1)" })).toBeVisible();
  await expect(page.getByRole("link", { name: "TIDE", exact: true })).toBeVisible();
  await expect(page.getByText("Gross exposure")).toBeVisible();
  const trades = page.getByRole("region", { name: "Executions" }).first();
  await expect(trades.getByText("Buy", { exact: true }).last()).toBeVisible();
  await expect(page.getByRole("link", { name: "Charts by TradingView" })).toBeVisible();
  await expect(page.getByText("Largest drawdown")).toBeVisible();

  await trades.getByLabel("Side").selectOption("sell");
  await expect(page.getByText("None is like that")).toBeVisible();
  await trades.getByLabel("Side").selectOption("");
  const download = page.waitForEvent("download");
  await trades.getByRole("button", { name: /as CSV/ }).click();
  expect((await download).suggestedFilename()).toMatch(/^executions-.*\.csv$/);
  await look(page, info, "portfolio");

  await page.setViewportSize({ width: 1280, height: 900 });
  await page.getByRole("button", { name: "Flatten TIDE" }).click();
  await expect(page.getByRole("dialog")).toContainText("traded to zero");
  await page.getByRole("button", { name: "Close TIDE" }).click();
  await expect(page.getByText("No open positions")).toBeVisible({ timeout: 15_000 });
});

test("a trader sees limits, what is used of them and what stands still", async ({ page }, info) => {
  const ann = await person(page, "ann");
  await buy(page, ann, "20");
  await enter(page, ann);
  await page.goto("/risk");
  await expect(page.getByText("Largest position")).toBeVisible();
  await expect(page.getByText("Nothing stands still")).toBeVisible();
  await expect(page.getByRole("heading", { name: "Kill switch" })).toBeHidden();
  await look(page, info, "risk");
});

test("a risk officer stops the firm, and another lets it go on", async ({ page }, info) => {
  // Roles are given to a gateway that stands still, which the shared one does not: what it would answer is made up here.
  const rita = await person(page, "rita");
  await enter(page, rita);
  const firm = { kind: "firm", account: null, number: null, symbol: null };
  const lapses_at = new Date(Date.now() + 23 * 60 * MINUTE_MS).toISOString();
  let isStopped = false;
  let email = "";
  await page.route("**/api/v1/users/me", async (route) => {
    const answer = await (await route.fetch()).json();
    email = answer.data.email;
    answer.data.permissions.push("risk:write", "accounts:read_all");
    await route.fulfill({ json: answer });
  });
  await page.route("**/api/v1/accounts?everybody*", async (route) =>
    route.fulfill(told([{ ...(await own(page, rita)), name: "Paper" }])),
  );
  await page.route("**/api/v1/risk/stopped", (route) =>
    route.fulfill(
      told({
        kills: isStopped
          ? [{ scope: firm, engaged: true, mode: "block", reason: "a test", by: "rita@example.org" }]
          : [],
        tripped: [],
      }),
    ),
  );
  await page.route("**/api/v1/risk/proposals?*", (route) => {
    const proposal = { hash: "9f".repeat(32), status: "pending", command: "release", scope: firm, lapses_at };
    const mine = { ...proposal, number: 7, summary: "release the firm", reason: "all is well", proposer: 1001 };
    const theirs = { ...proposal, number: 8, summary: "raise limits of account 12", reason: "grown", proposer: 1002 };
    route.fulfill(
      told([
        {
          ...theirs,
          command: "set_limits",
          scope: { ...firm, kind: "instrument", symbol: "TIDE" },
          proposer_name: "ron@example.org",
        },
        { ...mine, proposer_name: email.slice(0, 24) },
      ]),
    );
  });
  let engaged: unknown;
  await page.route("**/api/v1/risk/kill", (route) => {
    engaged = route.request().postDataJSON();
    isStopped = true;
    return route.fulfill(told({ status: "done", canceled: 3, proposal: null }));
  });
  let decided: unknown;
  await page.route("**/api/v1/risk/proposals/8/decision", (route) => {
    decided = route.request().postDataJSON();
    return route.fulfill(told({ status: "done", canceled: 0, proposal: null }));
  });
  await page.goto("/risk");

  // Whoever asked may only take it back.
  await expect(page.getByText("You asked for it: another person decides.")).toBeVisible();
  await expect(page.getByRole("button", { name: "Approve 7" })).toBeHidden();
  await page.getByRole("button", { name: "Approve 8" }).click();
  await page.getByLabel("Reason").fill("checked with the desk");
  await page.getByRole("dialog").getByRole("button", { name: "Approve" }).click();
  await expect(page.getByText("Proposal 8 was approved")).toBeVisible();
  expect(decided).toEqual({ hash: "9f".repeat(32), decision: "approve", reason: "checked with the desk" });

  await page.getByText("Firm", { exact: true }).click();
  await page.getByRole("button", { name: "Stop the firm" }).click();
  await expect(page.getByRole("dialog")).toContainText("Every open order of the firm is canceled now");
  await page.getByLabel("Reason").fill("a test");
  await page.getByRole("button", { name: "Stop the firm now" }).click();
  await expect(page.getByText("3 open orders were canceled")).toBeVisible();
  expect(engaged).toEqual({ scope: { kind: "firm" }, mode: "block", reason: "a test" });
  await expect(page.getByText("The firm is stopped.")).toBeVisible();
  await look(page, info, "risk-officer");
});

async function own(page: Page, { token }: Person) {
  const answer = await page.request.get("/api/v1/accounts", { headers: { Authorization: `Bearer ${token}` } });
  return (await answer.json()).data[0];
}

const STAGES: [string, number][] = [
  ["market_received", 0],
  ["decoded", 900],
  ["taken", 2_100],
  ["applied", 700],
  ["decided", 400],
  ["received", 3_000],
  ["sequenced", 4_200],
  ["journaled", 800],
  ["risk_passed", 1_300],
  ["at_venue", 600],
  ["filled", 500],
  ["published", 900],
  ["released", 41_000],
  ["delivered", 22_000],
];

function latency(tick: number) {
  const figures = [["order", 78_000] as [string, number], ["fill", 64_000] as [string, number], ...STAGES].map(
    ([name, ns]) => ({
      name,
      count: ns === 0 ? 0 : 1_000 + tick,
      p50_ns: ns + tick,
      p90_ns: ns * 2,
      p99_ns: ns * 4,
      p999_ns: ns * 9,
      max_ns: name === "order" ? 61_000_000 : ns * 20,
      budget_ns: name === "order" || name === "fill" ? 50_000_000 : null,
      breaches: name === "order" ? 1 : 0,
    }),
  );
  let reached = 0;
  const steps = STAGES.slice(5).map(([stage, ns], index) => {
    reached += index === 0 ? 0 : ns * 3;
    return { stage, ns: reached };
  });
  const way = (seq: number) => ({
    path: "order",
    kind: "new_order",
    seq: String(1_000_000 + seq),
    total_ns: reached,
    at: new Date().toISOString(),
    steps,
  });
  return {
    at: new Date().toISOString(),
    window: "minute",
    figures,
    slowest: Array.from({ length: 10 }, (_, index) => way(index)),
    worst_by_second: Array.from({ length: 60 }, (_, second) => (second === 40 ? 61_000_000 : 50_000 + second * 9_000)),
    alerts: [
      {
        number: 1,
        at: new Date().toISOString(),
        name: "order",
        took_ns: 61_000_000,
        budget_ns: 50_000_000,
        breaches: 1,
        worst: way(0),
      },
    ],
    alerts_count: 1,
  };
}

function system(tick: number) {
  const at = new Date().toISOString();
  return {
    engine: {
      alive: true,
      version: "0.1.0",
      seq: String(5_000_000 + tick * 2_000),
      at,
      state_hash: "f96dad2543fdc15c",
      release_level: "process",
      synced_seq: String(4_999_900 + tick * 2_000),
      replicated_seq: "0",
      waits_for_release: false,
      firm_killed: false,
      sessions_open: 5,
      sessions_max: 64,
      streams_open: 61,
      streams_max: 80,
    },
    feed: { market_events: 4_000_000 + tick * 1_900, gaps: 0, unknown_orders: 2, refused_events: 0, last_at: at },
    counters: {
      commands: 753 + tick,
      fills: 203,
      market_events: 4_000_000,
      "refused.price_collar": 4,
      "refused.max_order_qty": 1,
    },
    gateway: {
      version: "0.1.0",
      started_at: new Date(Date.now() - 7_300_000).toISOString(),
      streams_open: 12,
      engine_connected: true,
    },
  };
}

test("the system page shows numbers that move", async ({ page }, info) => {
  const ann = await person(page, "ann");
  await enter(page, ann);
  let ticks = 0;
  const isThere = (
    await page.request.get("/api/v1/system", { headers: { Authorization: `Bearer ${ann.token}` } })
  ).ok();
  if (!isThere) {
    // A gateway of before these routes.
    await page.route("**/api/v1/system", (route) => route.fulfill(told(system(++ticks))));
    await page.route("**/api/v1/system/latency*", (route) => route.fulfill(told(latency(ticks))));
  }
  await page.goto("/system");
  const input = page.locator("dt", { hasText: /^Input$/ }).locator("+ dd");
  await expect(input).toBeVisible();
  const before = await input.textContent();
  await expect(input).not.toHaveText(before ?? "");
  await expect(page.locator("dt", { hasText: "Events a second" }).locator("+ dd")).toHaveText(/\d/);
  await expect(page.getByRole("img", { name: /Slowest of each of the last 60 seconds/ })).toBeVisible();
  if (!isThere) {
    await page
      .getByRole("button", { name: /New order/ })
      .first()
      .click();
    await expect(page.getByRole("table", { name: /Steps of New order/ })).toBeVisible();
  }
  await page.getByRole("searchbox").fill("refused.");
  await look(page, info, "system");
});
