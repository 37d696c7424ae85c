import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { api, take } from "../../api/client";
import { Confirm } from "../../components/confirm";
import { Button, Select, TextField } from "../../components/controls";
import { words } from "../../components/figures";
import { type Column, Grid } from "../../components/grid";
import { tell } from "../../components/notices";
import { Panel } from "../../components/panel";
import { Empty, Loaded } from "../../components/states";
import { type Instrument, useInstruments, useMay } from "../../shell/user";

const COLUMNS: Column<Instrument>[] = [
  { id: "symbol", title: "Symbol", value: (one) => one.symbol, cell: (one) => <strong>{one.symbol}</strong> },
  { id: "class", title: "Class", value: (one) => one.asset_class, cell: (one) => words(one.asset_class) },
  { id: "venue", title: "Venue", value: (one) => one.venue, cell: (one) => one.venue },
  { id: "kind", title: "Goes to", value: (one) => one.venue_kind, cell: (one) => words(one.venue_kind) },
  { id: "currency", title: "Currency", value: (one) => one.currency, cell: (one) => one.currency },
  { id: "tick", title: "Tick", figure: true, value: (one) => one.tick_size, cell: (one) => one.tick_size },
  {
    id: "order_tick",
    title: "Order tick",
    figure: true,
    value: (one) => one.order_tick,
    cell: (one) => one.order_tick,
  },
  { id: "lot", title: "Lot", figure: true, value: (one) => one.lot_size, cell: (one) => one.lot_size },
  { id: "order_lot", title: "Order lot", figure: true, value: (one) => one.order_lot, cell: (one) => one.order_lot },
  {
    id: "multiplier",
    title: "Multiplier",
    figure: true,
    value: (one) => one.multiplier,
    cell: (one) => one.multiplier,
  },
  {
    id: "maker",
    title: "Maker fee",
    figure: true,
    value: (one) => one.maker_fee_rate,
    cell: (one) => one.maker_fee_rate,
  },
  {
    id: "taker",
    title: "Taker fee",
    figure: true,
    value: (one) => one.taker_fee_rate,
    cell: (one) => one.taker_fee_rate,
  },
  { id: "settlement", title: "Settled", value: (one) => one.settlement, cell: (one) => words(one.settlement) },
];

/** What can be traded, and what more can be. */
export function Instruments() {
  const query = useInstruments();
  const maySet = useMay("risk:write");
  const [defines, setDefines] = useState(false);
  const [sectorOf, setSectorOf] = useState<Instrument | null>(null);
  const columns = useMemo(() => {
    const cell = (one: Instrument) =>
      maySet ? (
        <Button small aria-label={`Sector of ${one.symbol}: ${one.sector ?? "none"}`} onClick={() => setSectorOf(one)}>
          {one.sector ?? "–"}
        </Button>
      ) : (
        (one.sector ?? "–")
      );
    const sector: Column<Instrument> = { id: "sector", title: "Sector", value: (one) => one.sector, cell };
    return COLUMNS.toSpliced(2, 0, sector);
  }, [maySet]);
  return (
    <>
      <Panel
        title="Instruments"
        flush
        className="admin-table"
        actions={
          <Button small onClick={() => setDefines(true)}>
            Define one
          </Button>
        }
      >
        <Loaded query={query} rows={10}>
          {(all) => (
            <Grid
              label="Instruments"
              rows={all}
              columns={columns}
              rowKey={(one) => one.symbol}
              empty={<Empty title="Nothing is traded yet">Define the first instrument.</Empty>}
            />
          )}
        </Loaded>
      </Panel>
      {defines && <Define onClose={() => setDefines(false)} />}
      {sectorOf && <SetSector instrument={sectorOf} onClose={() => setSectorOf(null)} />}
    </>
  );
}

function SetSector({ instrument, onClose }: { instrument: Instrument; onClose: () => void }) {
  const { symbol } = instrument;
  const client = useQueryClient();
  const sectors = useQuery({ queryKey: ["sectors"], queryFn: () => take(api.GET("/api/v1/sectors")) });
  const [sector, setSector] = useState(instrument.sector ?? "");
  const options = [["", "None"] as const, ...(sectors.data ?? []).map(({ name }) => [name, name] as const)];
  return (
    <Confirm
      title={`Sector of ${symbol}`}
      act="Set it"
      asksReason
      onClose={onClose}
      onConfirm={async (reason) => {
        const { status, proposal } = await take(
          api.PUT("/api/v1/instruments/{symbol}/sector", {
            params: { path: { symbol } },
            body: { sector: sector || null, reason },
          }),
        );
        const where = sector ? `is in ${sector}` : "is in no sector";
        tell(status === "waiting" ? `Proposal ${proposal} waits for a second person.` : `${symbol} ${where}.`);
        await client.invalidateQueries({ queryKey: ["instruments"] });
      }}
    >
      {(wrong) => (
        <>
          <p className="muted">
            Limits of the sector hold for all its instruments together. To take one out of its sector needs a second
            person.
          </p>
          <Select label="Sector" value={sector} options={options} onChange={setSector} error={wrong("sector")} />
          {sectors.data?.length === 0 && (
            <p className="muted">
              No sector has a name yet: whoever runs the gateway gives names under <code>[market.sectors]</code>.
            </p>
          )}
        </>
      )}
    </Confirm>
  );
}

const FIELDS: readonly [name: string, label: string, hint: string, initial: string][] = [
  ["symbol", "Symbol", "As the venue writes it.", ""],
  ["venue", "Venue", "Its market identifier code, such as XNAS.", "XNAS"],
  ["currency", "Currency", "Of prices.", "USD"],
  ["tick_size", "Tick", "Prices of the market are multiples of it.", "0.01"],
  ["order_tick", "Order tick", "Prices of orders are multiples of it.", "0.01"],
  ["lot_size", "Lot", "Quantities of the market are multiples of it.", "1"],
  ["order_lot", "Order lot", "Quantities of orders are multiples of it.", "1"],
  ["multiplier", "Multiplier", "Units of the underlying for each unit traded.", "1"],
  ["maker_fee_rate", "Maker fee", "A fraction of the notional, resting.", "0"],
  ["taker_fee_rate", "Taker fee", "The same, taking.", "0"],
];

const CLASSES = (["equity", "future", "option", "fx", "crypto"] as const).map((one) => [one, words(one)] as const);
const KINDS = [
  ["paper", "Paper: filled against the market's data"],
  ["internal", "Internal: matched here"],
] as const;

function Define({ onClose }: { onClose: () => void }) {
  const client = useQueryClient();
  const [values, setValues] = useState<Record<string, string>>(
    Object.fromEntries(FIELDS.map(([name, , , initial]) => [name, initial])),
  );
  const [asset, setAsset] = useState<(typeof CLASSES)[number][0]>("equity");
  const [kind, setKind] = useState<(typeof KINDS)[number][0]>("paper");
  const [settlement, setSettlement] = useState<"paid" | "daily">("paid");
  return (
    <Confirm
      title="Define an instrument"
      act="Define it"
      onClose={onClose}
      onConfirm={async () => {
        const body = { ...values, symbol: values.symbol ?? "", asset_class: asset, venue_kind: kind, settlement };
        const made = await take(api.POST("/api/v1/instruments", { body }));
        tell(`${made.symbol} is defined.`);
        await client.invalidateQueries({ queryKey: ["instruments"] });
      }}
    >
      {(wrong) => (
        <>
          <p className="muted">What was defined cannot be taken back: the journal names it for ever.</p>
          <div className="pair">
            {FIELDS.map(([name, label, hint]) => (
              <TextField
                key={name}
                label={label}
                hint={hint}
                required
                value={values[name] ?? ""}
                error={wrong(name)}
                onChange={(event) => setValues({ ...values, [name]: event.target.value.trim() })}
              />
            ))}
            <Select label="Class" value={asset} options={CLASSES} onChange={setAsset} error={wrong("asset_class")} />
            <Select label="Orders go to" value={kind} options={KINDS} onChange={setKind} error={wrong("venue_kind")} />
            <Select
              label="Settled"
              value={settlement}
              options={[
                ["paid", "Paid when traded"],
                ["daily", "Daily, to the mark"],
              ]}
              onChange={setSettlement}
              error={wrong("settlement")}
            />
          </div>
        </>
      )}
    </Confirm>
  );
}
