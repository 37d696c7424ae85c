import { TextField } from "../../components/controls";
import { type Algorithm, hasSchedule, type Work } from "./algorithm";
import { LotsField } from "./fields";

const ABOUT: Record<Algorithm, string> = {
  twap: "The same quantity in each interval, until it ends.",
  vwap: "In each interval as much as a volume curve of the house says.",
  pov: "A share of what the market trades.",
  iceberg: "One slice at a time: the next goes out when one is filled.",
};

interface AlgorithmFieldsProps {
  algorithm: Algorithm;
  work: Work;
  lot: string;
  wrong: (name: keyof Work) => string | undefined;
  onChange: (change: Partial<Work>) => void;
}

/** How the engine works an order: its children go out one at a time. */
export function AlgorithmFields({ algorithm, work, lot, wrong, onChange }: AlgorithmFieldsProps) {
  const schedule = hasSchedule(work);
  const time = (name: "startAt" | "endAt", label: string, hint?: string) => (
    <TextField
      label={label}
      hint={hint}
      type="datetime-local"
      value={work[name]}
      error={wrong(name)}
      onChange={(event) => onChange({ [name]: event.target.value })}
    />
  );
  const figure = (name: "every" | "rate" | "curve", label: string) => (
    <TextField
      label={label}
      inputMode="decimal"
      autoComplete="off"
      className="figures"
      value={work[name]}
      error={wrong(name)}
      onChange={(event) => onChange({ [name]: event.target.value.trim() })}
    />
  );
  return (
    <>
      <p className="field-hint">{ABOUT[algorithm]} What is not executed when it ends is given up.</p>
      <div className="ticket-pair">
        {schedule && figure("every", "Every, seconds")}
        {algorithm === "vwap" && figure("curve", "Volume curve")}
        {algorithm === "pov" && figure("rate", "Share of volume, %")}
        {!schedule && (
          <LotsField
            label={algorithm === "pov" ? "Least slice" : "Each slice"}
            lot={lot}
            placeholder={algorithm === "pov" ? "optional" : undefined}
            value={work.slice}
            error={wrong("slice")}
            onChange={(slice) => onChange({ slice })}
          />
        )}
      </div>
      {time("startAt", "Begins", "Empty: now.")}
      {time("endAt", "Ends", schedule ? undefined : "Empty: with its time in force.")}
    </>
  );
}
