import "./portfolio.css";
import { type ReactNode, useState } from "react";
import { Link } from "wouter";
import type { Schemas } from "../../api/client";
import { Segments } from "../../components/controls";
import { Signed } from "../../components/figures";
import { Empty, Loaded } from "../../components/states";
import { divide, multiply, show, sign } from "../../format/number";
import { clock } from "../../format/time";
import { usePortfolio } from "../../live/account";
import { type Instrument, useAccount, useAccounts, useInstruments } from "../../shell/user";
import { Allocation, ExposurePanel } from "./allocation";
import { Equity } from "./equity";
import { Positions } from "./positions";
import { Realised } from "./realised";
import { Trades } from "./trades";

export default function Portfolio() {
  const accounts = useAccounts();
  const account = useAccount();
  return (
    <Loaded query={accounts} rows={8}>
      {() =>
        account ? (
          // Another account begins anew: its filters, months and ranges are its own.
          <Desk key={account.id} account={account} />
        ) : (
          <Empty title="No account yet">
            <Link href="/onboarding">Open one on paper</Link>
          </Empty>
        )
      }
    </Loaded>
  );
}

const NONE: Instrument[] = [];

function Desk({ account }: { account: Schemas["AccountReport"] }) {
  const portfolio = usePortfolio(account.id);
  const instruments = useInstruments().data ?? NONE;
  const [chosen, choose] = useState<string | null>(null);
  return (
    <Loaded query={portfolio} rows={12}>
      {({ totals, positions }) => {
        const shown = totals.find((one) => one.currency === chosen) ?? totals[0];
        return (
          <div className="page desk portfolio">
            <div className="row spread">
              <h1>
                Portfolio <span className="muted">{account.name}</span>
              </h1>
              <div className="row">
                {portfolio.isError && (
                  <span className="chip warn" role="status">
                    Not heard since {clock(portfolio.dataUpdatedAt)}
                  </span>
                )}
                {totals.length > 1 && shown && (
                  <Segments
                    label="Currency"
                    value={shown.currency}
                    options={totals.map((one) => [one.currency, one.currency] as const)}
                    onChange={choose}
                  />
                )}
              </div>
            </div>
            {shown ? (
              <>
                <Cards totals={shown} />
                <div className="portfolio-parts">
                  <div className="column">
                    <Equity account={account} totals={shown} at={portfolio.dataUpdatedAt} />
                    <Positions account={account.id} positions={positions} instruments={instruments} />
                  </div>
                  <div className="column side">
                    <Allocation totals={shown} />
                    <ExposurePanel positions={positions} instruments={instruments} totals={shown} />
                    <Realised key={shown.currency} account={account.id} totals={shown} />
                  </div>
                  <Trades account={account.id} instruments={instruments} />
                </div>
              </>
            ) : (
              <Empty title="The account is being opened">Its cash is here in a moment.</Empty>
            )}
          </div>
        );
      }}
    </Loaded>
  );
}

function Card({ label, value, about }: { label: string; value: ReactNode; about?: ReactNode }) {
  return (
    <div className="card">
      <dt className="label">{label}</dt>
      <dd className="value">{value}</dd>
      {about && <dd className="about">{about}</dd>}
    </div>
  );
}

function Cards({ totals }: { totals: Schemas["Totals"] }) {
  const part = (value: string) =>
    sign(totals.equity) > 0
      ? `${show(divide(multiply(value, "100"), totals.equity, 1), 1)}\u00a0% of equity`
      : undefined;
  const { currency, unmarked } = totals;
  return (
    <dl className="cards" aria-label={`Totals in ${currency}`}>
      <Card
        label={`Equity, ${currency}`}
        value={show(totals.equity, 2)}
        about={unmarked > 0 ? `${unmarked} without a mark, at cost` : undefined}
      />
      <Card label="Cash" value={show(totals.cash, 2)} about={part(totals.cash)} />
      <Card label="Unrealised" value={<Signed value={totals.unrealised} />} about="At their marks" />
      <Card label="Realised" value={<Signed value={totals.realised} />} about="Since the account opened" />
      <Card label="Fees" value={show(totals.fees, 2)} about="Not part of realised" />
      <Card label="Gross exposure" value={show(totals.gross_exposure, 2)} about={part(totals.gross_exposure)} />
      <Card label="Net exposure" value={show(totals.net_exposure, 2)} about={part(totals.net_exposure)} />
    </dl>
  );
}
