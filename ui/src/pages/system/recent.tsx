import { useRef } from "react";
import { Panel } from "../../components/panel";
import { duration, show } from "../../format/number";
import { ago } from "../../format/time";
import { linePath } from "../market/spark";
import { useLatency } from "./latency";

interface Sample {
  at: number;
  value: number;
}

/** One is told every second: five minutes. */
export const SAMPLES_MAX = 300;
/** After a longer silence a line begins anew: its steps are all of one length. */
const SILENCE_MS = 5_000;
const WIDTH = 300;
const HEIGHT = 40;

/** Samples with one more, the newest at the end; none where nothing was measured. */
export function followed(samples: readonly Sample[], at: number, value: number | null): readonly Sample[] {
  const last = samples.at(-1);
  if (last?.at === at) return samples;
  if (value === null) return [];
  const isOld = last !== undefined && at - last.at > SILENCE_MS;
  return [...(isOld ? [] : samples), { at, value }].slice(-SAMPLES_MAX);
}

interface SeriesProps {
  name: string;
  /** Nothing where nothing was measured. */
  value: number | null;
  /** When it was told. */
  at: number;
  format: (value: number) => string;
}

export function Series({ name, value, at, format }: SeriesProps) {
  const kept = useRef<readonly Sample[]>([]);
  kept.current = followed(kept.current, at, value);
  const samples = kept.current;
  const values = samples.map((sample) => sample.value);
  const [first, last] = [samples[0], samples.at(-1)];
  const span =
    first && last && first !== last
      ? `${format(Math.min(...values))} to ${format(Math.max(...values))} in ${ago(first.at, last.at)}`
      : "–";
  return (
    <figure className="series">
      <figcaption className="row spread">
        <span>{name}</span>
        <span className="figures">{last ? format(last.value) : "–"}</span>
      </figcaption>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={last ? `${name}: now ${format(last.value)}; ${span}` : `${name}: not measured yet`}
      >
        <path
          d={linePath(values, WIDTH, HEIGHT)}
          fill="none"
          stroke="currentColor"
          strokeWidth="1.25"
          vectorEffect="non-scaling-stroke"
        />
      </svg>
      <span className="muted figures" aria-hidden="true">
        {span}
      </span>
    </figure>
  );
}

const perSecond = (rate: number) => show(rate.toFixed(0));

interface RecentProps {
  /** Messages of the feed a second. */
  rate: number | null;
  /** When it was told. */
  at: number;
}

/** How the system has done since the page was opened. Nothing of it is kept beyond that. */
export function Recent({ rate, at }: RecentProps) {
  const latency = useLatency("minute");
  const order = latency.data?.figures.find((one) => one.name === "order");
  const measured = order && order.count > 0 ? order : null;
  const told = latency.dataUpdatedAt;
  return (
    <Panel title="The last minutes" className="recent">
      <div className="series-list">
        <Series name="Order, p50 of a minute" value={measured?.p50_ns ?? null} at={told} format={duration} />
        <Series name="Order, p99 of a minute" value={measured?.p99_ns ?? null} at={told} format={duration} />
        <Series name="Events of the feed a second" value={rate} at={at} format={perSecond} />
      </div>
    </Panel>
  );
}
