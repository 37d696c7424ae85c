import { useQuery } from "@tanstack/react-query";
import { api, type Schemas, take } from "../../api/client";
import { compare, divide, multiply, showSigned, subtract } from "../../format/number";

const HOUR_MS = 3_600_000;
/** Minutes that begin in an hour, of which the first and the last may be parts. */
const BARS = 61;
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

/** The closes of the last hour: a minute without a trade has no bar. A row that is not drawn asks for nothing. */
export function Spark({ symbol }: { symbol: string }) {
  const bars = useQuery({
    queryKey: ["spark", symbol],
    queryFn: () => {
      const from = new Date(Date.now() - HOUR_MS).toISOString();
      const query = { resolution: "1m", from, limit: BARS };
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
  const [from, to] = [first.open, last.close];
  const percent = divide(multiply(subtract(to, from), "100"), from, 2);
  const way = compare(to, from) > 0 ? "buy" : compare(to, from) < 0 ? "sell" : "muted";
  const said = percent === null ? "–" : `${showSigned(percent, 2)} %`;
  return (
    <span className={`spark ${way}`}>
      <svg
        width={WIDTH}
        height={HEIGHT}
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        role="img"
        aria-label={`${symbol} in the last hour: ${said}`}
      >
        <path
          d={linePath([Number(from), ...bars.map((bar) => Number(bar.close))], WIDTH, HEIGHT)}
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
