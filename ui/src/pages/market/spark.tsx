import { useQuery } from "@tanstack/react-query";
import { api, type Schemas, take } from "../../api/client";

/** Bars of a minute that are drawn. */
const BARS = 60;
const STALE_MS = 60_000;
const WIDTH = 96;
const HEIGHT = 20;

/** Points of a line from the lowest to the highest value, in a box. Pixels may be floating. */
export function linePath(values: readonly number[], width: number, height: number): string {
  if (values.length < 2) return "";
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const span = high - low || 1;
  const step = width / (values.length - 1);
  return values
    .map((value, at) => {
      const y = height - 1 - ((value - low) / span) * (height - 2);
      return `${at === 0 ? "M" : "L"}${(at * step).toFixed(1)} ${y.toFixed(1)}`;
    })
    .join("");
}

/** The closes of the last hour. A row that is not drawn asks for nothing. */
export function Spark({ symbol }: { symbol: string }) {
  const bars = useQuery({
    queryKey: ["spark", symbol],
    queryFn: () => {
      const query = { resolution: "1m", limit: BARS };
      return take(api.GET("/api/v1/history/{symbol}", { params: { path: { symbol }, query } }));
    },
    staleTime: STALE_MS,
    refetchInterval: STALE_MS,
  }).data;
  return <Line symbol={symbol} bars={bars} />;
}

export function Line({ symbol, bars }: { symbol: string; bars: Schemas["BarReport"][] | undefined }) {
  const [first, last] = [bars?.[0], bars?.at(-1)];
  if (!bars || !first || !last) return <span className="spark" />;
  const [from, to] = [Number(first.open), Number(last.close)];
  const share = ((to - from) / from) * 100;
  const way = to > from ? "buy" : to < from ? "sell" : "muted";
  const said = `${share > 0 ? "+" : share < 0 ? "−" : ""}${Math.abs(share).toFixed(2)} %`;
  return (
    <span className={`spark ${way}`}>
      <svg
        width={WIDTH}
        height={HEIGHT}
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        role="img"
        aria-label={`${symbol} in ${bars.length} minutes: ${said}`}
      >
        <path
          d={linePath([from, ...bars.map((bar) => Number(bar.close))], WIDTH, HEIGHT)}
          fill="none"
          stroke="currentColor"
          strokeWidth="1.25"
        />
      </svg>
      <span className="figures" aria-hidden="true">
        {said}
      </span>
    </span>
  );
}
