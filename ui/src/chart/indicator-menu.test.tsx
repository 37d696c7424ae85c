import { readFileSync } from "node:fs";
import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { useState } from "react";
import { afterEach, expect, test } from "vitest";
import { IndicatorMenu } from "./indicator-menu";
import { type Indicator, NORMAL, type Settings } from "./settings";

let last: { chosen: Indicator[]; settings: Settings };

function Menu() {
  const [chosen, setChosen] = useState<Indicator[]>([]);
  const [settings, setSettings] = useState(NORMAL);
  last = { chosen, settings };
  return <IndicatorMenu chosen={chosen} settings={settings} onChoose={setChosen} onSettings={setSettings} />;
}

afterEach(() => {
  cleanup();
  document.head.replaceChildren();
});

const field = (name: string) => screen.getByRole<HTMLInputElement>("spinbutton", { name });
async function open(...names: string[]) {
  render(<Menu />);
  await userEvent.click(screen.getByText("Indicators"));
  for (const name of names) await userEvent.click(screen.getByRole("checkbox", { name }));
}

test("each indicator that is chosen has its numbers, and the others have none", async () => {
  await open();
  expect(screen.queryAllByRole("spinbutton")).toEqual([]);
  for (const name of ["SMA", "EMA", "Bollinger", "VWAP of the day", "RSI", "MACD"]) {
    await userEvent.click(screen.getByRole("checkbox", { name }));
  }
  const usual = {
    "Length of SMA": 20,
    "Length of EMA": 50,
    "Length of Bollinger": 20,
    "Width of Bollinger": 2,
    "Length of RSI": 14,
    "Fast length of MACD": 12,
    "Slow length of MACD": 26,
    "Signal length of MACD": 9,
  };
  for (const [name, value] of Object.entries(usual)) expect(field(name).valueAsNumber, name).toBe(value);
  expect(screen.getAllByRole("spinbutton")).toHaveLength(8);
  expect(last.chosen).toEqual(["sma", "ema", "bollinger", "vwap", "rsi", "macd"]);
});

test("a number is taken as it is typed, and what is none leaves the last one in force", async () => {
  await open("SMA", "Bollinger");
  await userEvent.clear(field("Length of SMA"));
  expect(field("Length of SMA").getAttribute("aria-invalid")).toBe("true");
  expect(last.settings.sma).toEqual({ length: 20 });
  await userEvent.type(field("Length of SMA"), "50");
  expect(field("Length of SMA").getAttribute("aria-invalid")).toBeNull();
  expect(last.settings).toEqual({ ...NORMAL, sma: { length: 50 } });
  await userEvent.type(field("Length of SMA"), "1");
  expect(field("Length of SMA").value).toBe("501");
  expect(document.getElementById(field("Length of SMA").getAttribute("aria-describedby") ?? "")?.textContent).toBe(
    "1 to 500, whole",
  );
  fireEvent.change(field("Width of Bollinger"), { target: { value: "2.5" } });
  expect(last.settings).toEqual({ ...NORMAL, sma: { length: 50 }, bollinger: { length: 20, width: 2.5 } });
  // What is not chosen for a while comes back as it was in force.
  await userEvent.click(screen.getByRole("checkbox", { name: "SMA" }));
  await userEvent.click(screen.getByRole("checkbox", { name: "SMA" }));
  expect(field("Length of SMA").value).toBe("50");
});

test("Reset brings the usual numbers back, and clears what is none", async () => {
  await open("SMA", "EMA");
  fireEvent.change(field("Length of SMA"), { target: { value: "7" } });
  fireEvent.change(field("Length of EMA"), { target: { value: "0" } });
  await userEvent.click(screen.getByRole("button", { name: "Reset all numbers" }));
  expect([field("Length of SMA").value, field("Length of EMA").value]).toEqual(["20", "50"]);
  expect(field("Length of EMA").getAttribute("aria-invalid")).toBeNull();
  expect(last).toEqual({ chosen: ["sma", "ema"], settings: NORMAL });
});

test("keys alone go through the menu, and Escape closes it", async () => {
  await open("SMA");
  screen.getByRole("checkbox", { name: "SMA" }).focus();
  await userEvent.tab();
  expect(document.activeElement).toBe(field("Length of SMA"));
  const menu = document.querySelector("details");
  expect(menu?.open).toBe(true);
  await userEvent.keyboard("{Escape}");
  expect(menu?.open).toBe(false);
  expect(document.activeElement?.textContent).toBe("Indicators (1)");
});

test("what is pressed is large enough", async () => {
  const style = document.createElement("style");
  const sheets = ["src/components/components.css", "src/chart/chart.css"];
  style.textContent = sheets.map((path) => readFileSync(path, "utf8")).join("\n");
  document.head.append(style);
  await open("SMA");
  const { width, height } = getComputedStyle(screen.getByRole("checkbox", { name: "SMA" }));
  expect([width, height]).toEqual(["24px", "24px"]);
  expect(getComputedStyle(screen.getByRole("button", { name: "Reset all numbers" })).minHeight).toBe("24px");
});
