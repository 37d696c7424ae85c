import { useQuery } from "@tanstack/react-query";
import { type KeyboardEvent, useEffect, useId, useMemo, useRef, useState } from "react";
import { Button, Segments } from "../components/controls";
import { Empty, Failed, Loading } from "../components/states";
import { nearest, priceText, stepped } from "../format/price";
import { dayOf, millis, zoneOf } from "../format/time";
import type { Execution } from "../live/account";
import { followBar, useLink } from "../live/market";
import { useListedKeys } from "../shell/keys";
import { type Instrument, useZone } from "../shell/user";
import { askBars, Bars, candle } from "./bars";
import "./chart.css";
import { type Choice, keepChoice, RESOLUTIONS, readChoice } from "./choice";
import { IndicatorMenu } from "./indicator-menu";
import type { Candle } from "./indicators";
import { CHART_KEYS, pressed } from "./keys";
import { fillLegend } from "./legend";
import type { PriceMark } from "./lines";
import { PriceChart } from "./price-chart";
import type { Reading } from "./studies";

/** Names the exchange's day of a time. Zones differ by quarters of an hour, and asking for each bar would be slow. */
function daysOf(zone: string): (time: number) => string {
  const known = new Map<number, string>();
  return (time) => {
    const quarter = Math.floor(time / 900);
    let name = known.get(quarter);
    if (name === undefined) {
      name = dayOf(quarter * 900_000, zone);
      known.set(quarter, name);
    }
    return name;
  };
}

interface ChartProps {
  instrument: Instrument;
  fills: Execution[];
  marks: PriceMark[];
  /** A line was dropped at another price. */
  onDrop: (id: string, price: string) => void;
}

export default function Chart({ instrument, fills, marks, onDrop }: ChartProps) {
  const { symbol, venue } = instrument;
  const [choice, setChoice] = useState(readChoice);
  const { resolution, indicators, settings } = choice;
  const box = useRef<HTMLDivElement>(null);
  const legend = useRef<HTMLDivElement>(null);
  const said = useRef<HTMLParagraphElement>(null);
  const about = useId();
  const [bars, setBars] = useState<Bars | null>(null);
  const chart = bars?.chart;
  const latest = useRef({ instrument, onDrop });
  latest.current = { instrument, onDrop };
  const choose = (next: Partial<Choice>) => {
    const all = { ...choice, ...next };
    setChoice(all);
    keepChoice(all);
  };

  const history = useQuery({
    queryKey: ["history", symbol, resolution],
    queryFn: ({ signal }) => askBars(symbol, resolution, {}, signal),
    // What came while nobody looked is not known.
    staleTime: 0,
  });

  // The chart stands for one symbol and resolution, and writes times of one zone.
  const zone = useZone();
  // biome-ignore lint/correctness/useExhaustiveDependencies: another zone is another chart
  useEffect(() => {
    if (!box.current) return;
    const isDays = resolution === "1d";
    const tell = (one: Candle | undefined, before: Candle | undefined, readings: Reading[]) => {
      if (legend.current) fillLegend(legend.current, latest.current.instrument, isDays, one, before, readings);
    };
    const drawn = new PriceChart(box.current, {
      text: (price) => priceText(latest.current.instrument, price.toFixed(latest.current.instrument.price_decimals)),
      isDays,
      minMove: Number(latest.current.instrument.tick_size),
      dayOf: daysOf(zoneOf(venue)),
      snap: (price) => nearest(latest.current.instrument, price.toFixed(9)),
      step: (price, steps) => stepped(latest.current.instrument, price, steps),
      onDrop: (id, price) => latest.current.onDrop(id, price),
      onSay: (text) => {
        if (said.current) said.current.textContent = text;
      },
      onLegend: tell,
      onNearFirst: () => void made.askOlder(),
    });
    const made = new Bars(drawn, symbol, resolution);
    const stopBar = followBar(symbol, resolution, (bar) => made.update(candle(bar)));
    setBars(made);
    return () => {
      made.stop();
      stopBar();
      setBars(null);
      drawn.dispose();
    };
  }, [symbol, resolution, venue, zone]);

  useEffect(() => {
    if (history.data) bars?.setNewest(history.data);
  }, [bars, history.data]);
  useEffect(() => chart?.setSettings(settings), [chart, settings]);
  useEffect(() => chart?.setIndicators(indicators), [chart, indicators]);
  useEffect(() => chart?.lines.setMarks(marks), [chart, marks]);
  const arrows = useMemo(() => {
    const own = fills.filter((fill) => fill.symbol === symbol && fill.type === "trade");
    return own.map((fill) => ({
      time: Math.floor(millis(fill.at) / 1000),
      isBuy: fill.side === "buy",
      qty: fill.qty,
      price: Number(fill.price),
    }));
  }, [fills, symbol]);
  useEffect(() => chart?.setFills(arrows), [chart, arrows]);

  // What was told while the link was away is asked for.
  const link = useLink();
  const away = useRef(false);
  const { refetch } = history;
  useEffect(() => {
    if (link === "live" && away.current) void refetch();
    away.current = link !== "live";
  }, [link, refetch]);

  useListedKeys(CHART_KEYS);
  const press = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.altKey || event.metaKey || !chart) return;
    if (pressed(event, chart)) event.preventDefault();
  };

  return (
    <div className="chart">
      <div className="chart-bar">
        <Segments
          label="Length of a bar"
          value={resolution}
          options={RESOLUTIONS}
          onChange={(next) => choose({ resolution: next })}
        />
        <IndicatorMenu
          chosen={indicators}
          settings={settings}
          onChoose={(chosen) => choose({ indicators: chosen })}
          onSettings={(numbers) => choose({ settings: numbers })}
        />
        <Button small kind="plain" onClick={() => chart?.showNewest()}>
          To now
        </Button>
      </div>
      {/* An application: the keys that screen readers have of their own are the chart's here. */}
      <div
        className="chart-keys"
        role="application"
        aria-label={`Chart of ${symbol}: keys`}
        aria-describedby={about}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: the keyboard moves the chart and one's orders here
        tabIndex={0}
        onKeyDown={press}
        onBlur={() => chart?.lines.putBack()}
      >
        <div
          className="chart-box"
          ref={box}
          role="img"
          aria-label={`Chart of ${symbol}, ${resolution}`}
          data-fills={arrows.length}
        />
      </div>
      <p className="unseen" id={about}>
        {CHART_KEYS.map(([keys, does]) => `${keys} ${does.replace("Chart: ", "")}`).join("; ")}
      </p>
      <p className="unseen" role="status" ref={said} />
      <div className="chart-legend figures muted" ref={legend} data-testid="legend" />
      {history.data === undefined && (
        <div className="chart-over">
          {history.error ? <Failed error={history.error} retry={() => void refetch()} /> : <Loading rows={6} />}
        </div>
      )}
      {history.data?.length === 0 && (
        <div className="chart-over clear">
          <Empty title="No trades yet">The first one begins the chart.</Empty>
        </div>
      )}
      <a className="chart-by" href="https://www.tradingview.com/" target="_blank" rel="noreferrer">
        Charts by TradingView
      </a>
    </div>
  );
}
