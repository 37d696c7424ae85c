// Which indicators the chart draws, and with which numbers.

import { useState } from "react";
import { Button, TextField } from "../components/controls";
import {
  boundsOf,
  type Indicator,
  NAMES,
  NORMAL,
  numberIn,
  type Param,
  paramsOf,
  type Settings,
  titleOf,
} from "./settings";

interface NumberFieldProps {
  of: string;
  param: Param;
  value: number;
  onChange: (value: number) => void;
}

/** While what stands in it is no number to draw with, the last one that was stays in force. */
function NumberField({ of, param, value, onChange }: NumberFieldProps) {
  const [text, setText] = useState(String(value));
  return (
    <TextField
      label={param.label}
      aria-label={`${param.name} of ${of}`}
      type="number"
      min={param.min}
      max={param.max}
      step={10 ** -param.decimals}
      value={text}
      error={numberIn(text, param) === null ? boundsOf(param) : undefined}
      onChange={(event) => {
        setText(event.target.value);
        const read = numberIn(event.target.value, param);
        if (read !== null) onChange(read);
      }}
    />
  );
}

interface MenuProps {
  chosen: readonly Indicator[];
  settings: Settings;
  onChoose: (chosen: Indicator[]) => void;
  onSettings: (settings: Settings) => void;
}

export function IndicatorMenu({ chosen, settings, onChoose, onSettings }: MenuProps) {
  // Fields that were reset are other fields: what was typed into them is gone.
  const [resets, setResets] = useState(0);
  const fields = (name: Indicator) =>
    Object.entries<number>(settings[name]).map(([key, value]) => {
      const param = paramsOf(name)[key];
      return (
        param && (
          <NumberField
            key={`${key} ${resets}`}
            of={titleOf(name)}
            param={param}
            value={value}
            onChange={(next) => onSettings({ ...settings, [name]: { ...settings[name], [key]: next } })}
          />
        )
      );
    });
  return (
    <details
      className="chart-menu"
      onKeyDown={(event) => {
        if (event.key !== "Escape" || !event.currentTarget.open) return;
        event.stopPropagation();
        event.currentTarget.open = false;
        event.currentTarget.querySelector("summary")?.focus();
      }}
      onBlur={(event) => {
        if (!event.currentTarget.contains(event.relatedTarget)) event.currentTarget.open = false;
      }}
    >
      <summary className="button small">Indicators{chosen.length > 0 ? ` (${chosen.length})` : ""}</summary>
      {/* It takes the focus of a press beside a box, which must not count as leaving the menu. */}
      <div className="chart-menu-body" tabIndex={-1}>
        {NAMES.map((name) => (
          <div key={name} className="chart-menu-row">
            <label>
              <input
                type="checkbox"
                checked={chosen.includes(name)}
                onChange={(event) =>
                  onChoose(NAMES.filter((one) => (one === name ? event.target.checked : chosen.includes(one))))
                }
              />
              {titleOf(name)}
            </label>
            {chosen.includes(name) && fields(name)}
          </div>
        ))}
        <Button
          small
          aria-label="Reset all numbers"
          onClick={() => {
            onSettings(NORMAL);
            setResets(resets + 1);
          }}
        >
          Reset
        </Button>
      </div>
    </details>
  );
}
