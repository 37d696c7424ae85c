import { type UseQueryResult, useQuery, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useEffect, useState } from "react";
import { Link } from "wouter";
import { api, type Schemas, take } from "../../api/client";
import type { Estimate } from "../../api/reports";
import { Button } from "../../components/controls";
import { Facts } from "../../components/facts";
import { words } from "../../components/figures";
import { Form } from "../../components/form";
import { Loaded, Loading, saying } from "../../components/states";
import { show, toStep } from "../../format/number";
import { chooseAccount, useAccount, useAccounts, useInstruments, useMay, useMe } from "../../shell/user";
import { ask } from "../trade/sending";
import type { NewOrder } from "../trade/ticket-model";
import { Unclear } from "../trade/unclear";
import { useSender } from "../trade/use-sender";
import "./onboarding.css";
import { useOnboarding } from "./state";

type State = Schemas["Onboarding"];

/** What the first order is about, where it can be traded, and how much of it. */
const SYMBOL = "TIDE";
const QTY = "10";

/** From registration to a first order on paper. Every step can be left out. */
export default function Onboarding() {
  const query = useOnboarding();
  const me = useMe().data;
  return (
    <div className="page onboarding">
      <header className="row spread">
        <div>
          <h1>{me ? `Welcome, ${me.name}` : "Welcome"}</h1>
          <p className="muted">Two steps to a first trade on paper. Nothing is charged, and no money is real.</p>
        </div>
        <Link href="/trade" className="button plain">
          Skip all this
        </Link>
      </header>
      <Loaded query={query} rows={8}>
        {(state) => <Steps state={state} />}
      </Loaded>
    </div>
  );
}

function Steps({ state }: { state: State }) {
  const mayTrade = useMay("orders:write");
  const mayOpen = useMay("accounts:write");
  const me = useMe().data;
  const done = [state.account, state.order, state.email_verified, state.pin, state.second_factor];
  return (
    <>
      <p className="muted" role="status">
        {done.filter(Boolean).length} of {done.length} done
        {state.complete
          ? ": everything."
          : state.order
            ? ": what trading needs is done; the rest makes it safer."
            : "."}
      </p>
      <ol className="steps">
        <Step number={1} title="Open a paper account" done={state.account}>
          {state.account ? (
            <p>
              You have an account. Its cash is not real, and its orders fill against the market that this page shows.
            </p>
          ) : me && !mayOpen ? (
            <p>Your role, {words(me.role)}, has no accounts of its own. An administrator can make you a trader.</p>
          ) : (
            <OpenAccount />
          )}
        </Step>
        <Step number={2} title="Place a first order" done={state.order}>
          {state.account && (mayTrade || !me) ? (
            <FirstOrder wasDone={state.order} />
          ) : me && !mayTrade ? (
            <p>Your role, {words(me.role)}, places no orders.</p>
          ) : (
            <p className="muted">It needs an account.</p>
          )}
        </Step>
      </ol>
      <h2>When you have time</h2>
      <ol className="steps">
        <Step number={3} title="Show that your address is yours" done={state.email_verified}>
          {state.email_verified ? <p>A forgotten password can be mailed to you.</p> : <VerifyEmail />}
        </Step>
        <Step number={4} title="Set a PIN" done={state.pin}>
          <p>Four to six digits that confirm single trades, where the house asks for it.</p>
          {!state.pin && (
            <Link href="/settings#pin" className="button">
              Set a PIN
            </Link>
          )}
        </Step>
        <Step number={5} title="Switch a second factor on" done={state.second_factor}>
          <p>With a code of your phone a stolen password is worth nothing.</p>
          {!state.second_factor && (
            <Link href="/settings#second-factor" className="button">
              Set it up
            </Link>
          )}
        </Step>
      </ol>
    </>
  );
}

interface StepProps {
  number: number;
  title: string;
  done: boolean;
  children: ReactNode;
}

function Step({ number, title, done, children }: StepProps) {
  return (
    <li className={done ? "panel step done" : "panel step"}>
      <span className="step-mark" aria-hidden="true">
        {done ? "✓" : number}
      </span>
      <div className="stack">
        <h3>
          {title} {done && <span className="chip good">Done</span>}
        </h3>
        {children}
      </div>
    </li>
  );
}

function OpenAccount() {
  const client = useQueryClient();
  return (
    <Form
      label="Open a paper account"
      button="Open an account with 100,000"
      onSubmit={async () => {
        const account = await take(api.POST("/api/v1/accounts", { body: { name: "Paper" } }));
        chooseAccount(account.id);
        await client.invalidateQueries({ queryKey: ["accounts"] });
        await client.invalidateQueries({ queryKey: ["onboarding"] });
      }}
    >
      {() => <p>It trades at the market's own prices with cash that is not real.</p>}
    </Form>
  );
}

/** The order of the guide: small, at the market, in what everybody can trade. */
function FirstOrder({ wasDone }: { wasDone: boolean }) {
  const client = useQueryClient();
  const accounts = useAccounts();
  const account = useAccount();
  const instruments = useInstruments();
  const instrument = instruments.data?.find((one) => one.symbol === SYMBOL) ?? instruments.data?.[0];
  const sender = useSender(account?.id);
  const { now } = sender;
  const isTaken = now.state === "taken";
  useEffect(() => {
    if (isTaken) void client.invalidateQueries({ queryKey: ["onboarding"] });
  }, [isTaken, client]);

  const symbol = instrument?.symbol ?? SYMBOL;
  const body: NewOrder = {
    account: account?.id ?? "",
    symbol,
    side: "buy",
    type: "market",
    time_in_force: "day",
    qty: instrument ? toStep(QTY, instrument.order_lot, "up") : QTY,
  };
  const preview = useQuery({
    queryKey: ["first order", body],
    queryFn: ({ signal }) => ask(body, signal),
    enabled: account?.status === "open" && !!instrument && !isTaken && !wasDone,
  });

  const toTrade = (
    <div className="row">
      <Link href={`/trade/${encodeURIComponent(symbol)}`} className="button primary">
        Watch it trade
      </Link>
    </div>
  );
  if (now.state === "taken") {
    return (
      <>
        <p role="status">{now.text}</p>
        {toTrade}
      </>
    );
  }
  if (now.state === "unclear") return <Unclear sender={sender} />;
  if (wasDone) {
    return (
      <>
        <p>You have placed an order.</p>
        {toTrade}
      </>
    );
  }
  // While it is asked for again there is no error, but still no answer.
  const failed = [instruments, accounts].find((query) => !query.data && query.errorUpdateCount > 0);
  if (failed) return <Loaded query={failed as UseQueryResult}>{() => null}</Loaded>;
  if (instruments.data && !instrument) return <p>Nothing is traded here yet: the house has defined no instrument.</p>;
  if (account?.status !== "open") return <p className="muted">The account is being opened …</p>;
  if (!instrument) return <Loading />;
  if (preview.data?.needs_authorization || now.state === "asks") {
    return (
      <>
        <p>The house asks for a PIN or a code with each order. Set one, then place the order on the Trade page.</p>
        <Link href="/settings#pin" className="button">
          Set a PIN
        </Link>
        {toTrade}
      </>
    );
  }
  const error = now.state === "refused" ? now.error : preview.error;
  return (
    <>
      <Terms estimate={preview.data?.legs[0]} />
      {!!error && (
        <p className="banner danger" role="alert">
          {saying(error)}
        </p>
      )}
      <div className="row">
        <Button kind="primary" busy={now.state === "busy"} onClick={() => sender.send(body, preview.data)}>
          Buy {show(body.qty)} {symbol} at the market
        </Button>
        <Link href={`/trade/${encodeURIComponent(symbol)}`} className="button plain">
          Place one of my own
        </Link>
      </div>
    </>
  );
}

/** What the order would cost, as the gateway says; of the same size before it is known. */
function Terms({ estimate }: { estimate: Estimate | undefined }) {
  const money = (amount: string | null | undefined) =>
    amount ? `${show(amount, 2)} ${estimate?.currency ?? ""}` : "–";
  const facts = [
    ["Price now, about", show(estimate?.mark_price)],
    ["Value", money(estimate?.notional)],
    ["Fee", money(estimate?.fee)],
    ["From your cash", money(estimate?.cost)],
  ] as const;
  return <Facts facts={facts} className="facts terms" label="What it would cost" />;
}

function VerifyEmail() {
  const me = useMe().data;
  const [said, setSaid] = useState<string | null>(null);
  return (
    <Form
      label="Verify your address"
      button="Mail it again"
      onSubmit={async () => setSaid((await take(api.POST("/api/v1/auth/email/resend"))).message)}
    >
      {() => <p role="status">{said ?? `A mail went to ${me?.email ?? "you"}: open its link.`}</p>}
    </Form>
  );
}
