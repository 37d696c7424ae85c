import { useQueryClient } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { Link } from "wouter";
import { api, take } from "../../api/client";
import { Confirm } from "../../components/confirm";
import { Button } from "../../components/controls";
import { Figure, Price, Signed } from "../../components/figures";
import { type Column, Grid } from "../../components/grid";
import { tell } from "../../components/notices";
import { Panel } from "../../components/panel";
import { Empty } from "../../components/states";
import { show, sign } from "../../format/number";
import { keys, type Position } from "../../live/account";
import { type Instrument, useMay } from "../../shell/user";

interface PositionsProps {
  account: string;
  positions: Position[];
  instruments: readonly Instrument[];
}

export function Positions({ account, positions, instruments }: PositionsProps) {
  const mayTrade = useMay("orders:write");
  /** What is asked about: a position, or all of them. */
  const [closing, setClosing] = useState<Position | "all" | null>(null);
  const client = useQueryClient();
  const columns = useMemo((): Column<Position>[] => {
    const of = (symbol: string) => instruments.find((one) => one.symbol === symbol);
    const acts: Column<Position> = {
      id: "acts",
      title: <span className="unseen">Acts</span>,
      cell: (row) => (
        <Button small kind="danger-side" onClick={() => setClosing(row)} aria-label={`Flatten ${row.symbol}`}>
          Flatten
        </Button>
      ),
    };
    return [
      {
        id: "symbol",
        title: "Symbol",
        value: (row) => row.symbol,
        cell: (row) => <Link href={`/trade/${encodeURIComponent(row.symbol)}`}>{row.symbol}</Link>,
      },
      {
        id: "side",
        title: "Side",
        value: (row) => sign(row.qty),
        cell: (row) => (
          <span className={sign(row.qty) > 0 ? "buy" : "sell"}>{sign(row.qty) > 0 ? "Long" : "Short"}</span>
        ),
      },
      {
        id: "qty",
        title: "Quantity",
        figure: true,
        value: (row) => row.qty,
        cell: (row) => <Figure value={row.qty} />,
      },
      {
        id: "avg",
        title: "Average",
        figure: true,
        value: (row) => row.avg_price,
        cell: (row) => <Price value={row.avg_price} terms={of(row.symbol)} />,
      },
      {
        id: "mark",
        title: "Mark",
        figure: true,
        value: (row) => row.mark_price,
        cell: (row) => <Price value={row.mark_price} terms={of(row.symbol)} />,
      },
      {
        id: "value",
        title: "Value",
        figure: true,
        value: (row) => row.value,
        cell: (row) => <Figure value={row.value} digits={2} />,
      },
      {
        id: "unrealised",
        title: "Unrealised",
        figure: true,
        value: (row) => row.unrealised,
        cell: (row) => <Signed value={row.unrealised} />,
      },
      {
        id: "realised",
        title: "Realised",
        figure: true,
        value: (row) => row.realised,
        cell: (row) => <Signed value={row.realised} />,
      },
      {
        id: "fees",
        title: "Fees",
        figure: true,
        value: (row) => row.fees,
        cell: (row) => <Figure value={row.fees} digits={2} />,
      },
      { id: "currency", title: "Currency", value: (row) => row.currency, cell: (row) => row.currency },
      ...(mayTrade ? [acts] : []),
    ];
  }, [mayTrade, instruments]);

  const flatten = async () => {
    const symbol = closing && closing !== "all" ? closing.symbol : null;
    const { waiting } = await take(
      api.POST("/api/v1/accounts/{id}/flatten", {
        params: { path: { id: account } },
        body: symbol === null ? {} : { symbol },
      }),
    );
    const what = symbol ?? "All positions";
    tell(waiting > 0 ? `${what}: being closed.` : `${what}: closed.`);
    void client.invalidateQueries({ queryKey: keys.portfolio(account) });
  };

  return (
    <Panel
      title={`Positions (${positions.length})`}
      className="positions"
      flush
      actions={
        mayTrade &&
        positions.length > 1 && (
          <Button small kind="danger-side" onClick={() => setClosing("all")}>
            Flatten all
          </Button>
        )
      }
    >
      <Grid
        label="Positions"
        rows={positions}
        columns={columns}
        rowKey={(row) => row.symbol}
        empty={
          <Empty title="No open positions">
            <span>
              What you hold is here with its profit and loss. <Link href="/trade">Place an order</Link>
            </span>
          </Empty>
        }
      />
      {closing && (
        <Confirm
          title={closing === "all" ? "Flatten the account" : `Flatten ${closing.symbol}`}
          act={closing === "all" ? `Close ${positions.length} positions` : `Close ${closing.symbol}`}
          destroys
          onConfirm={flatten}
          onClose={() => setClosing(null)}
        >
          <p>
            {closing === "all"
              ? "Every open order of the account is canceled, and every position is traded to zero at the market."
              : `Open orders in ${closing.symbol} are canceled, and ${show(closing.qty)} are traded to zero at the market.`}
          </p>
        </Confirm>
      )}
    </Panel>
  );
}
