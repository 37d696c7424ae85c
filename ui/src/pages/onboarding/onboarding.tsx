import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { Link } from "wouter";
import { api, newKey, type Schemas, take } from "../../api/client";
import { ApiError } from "../../api/error";
import { words } from "../../components/figures";
import { Form } from "../../components/form";
import { Loaded } from "../../components/states";
import { show, toStep } from "../../format/number";
import type { Order } from "../../live/account";
import { chooseAccount, useAccount, useInstruments, useMay, useMe } from "../../shell/user";
import "./onboarding.css";
import { useOnboarding } from "./state";

type State = Schemas["Onboarding"];

/** What the first order is about, where it can be traded, and how much of it. */
const SYMBOL = "TIDE";
const QTY = "10";
/** How often what is under way is asked for. */
const SOON_MS = 500;

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
            <p>You have an account. Its cash is not real, its market is.</p>
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
  const chosen = useAccount();
  const account = chosen?.status === "open" ? chosen : undefined;
  const instruments = useInstruments().data;
  const instrument = instruments?.find((one) => one.symbol === SYMBOL) ?? instruments?.[0];
  // One name for one order: pressed twice, or sent again after a break, it is the same order.
  const [key, setKey] = useState(newKey);
  const [placed, setPlaced] = useState<Order | null>(null);

  const symbol = instrument?.symbol ?? "";
  const body = {
    account: account?.id ?? "",
    symbol,
    side: "buy" as const,
    type: "market" as const,
    qty: instrument ? toStep(QTY, instrument.order_lot, "up") : QTY,
  };
  const preview = useQuery({
    queryKey: ["first order", body],
    queryFn: () => take(api.POST("/api/v1/orders/preview", { body })),
    enabled: !!account && !!instrument && !placed && !wasDone,
  });
  const order = useQuery({
    queryKey: ["order", placed?.id],
    queryFn: () => take(api.GET("/api/v1/orders/{id}", { params: { path: { id: placed?.id ?? "" } } })),
    enabled: !!placed,
    refetchInterval: (query) => (query.state.data && isOver(query.state.data) ? false : SOON_MS),
  }).data;

  const toTrade = (
    <Link href={`/trade/${encodeURIComponent(symbol || SYMBOL)}`} className="button primary">
      Watch it trade
    </Link>
  );
  const now = order ?? placed;
  if (now) {
    return (
      <>
        <p role="status">{outcome(now)}</p>
        <div className="row">{toTrade}</div>
      </>
    );
  }
  if (wasDone) {
    return (
      <>
        <p>You have placed an order.</p>
        <div className="row">{toTrade}</div>
      </>
    );
  }
  if (instruments && !instrument) return <p>Nothing is traded here yet: the house has defined no instrument.</p>;
  if (!account || !instrument) return <p className="muted">The account is being opened …</p>;
  if (preview.data?.needs_authorization) {
    return (
      <>
        <p>The house asks for a PIN or a code with each order. Set one, then place the order on the Trade page.</p>
        <div className="row">
          <Link href="/settings#pin" className="button">
            Set a PIN
          </Link>
          {toTrade}
        </div>
      </>
    );
  }
  return (
    <Form
      label="Place a first order"
      button={`Buy ${show(body.qty)} ${symbol} at the market`}
      beside={
        <Link href={`/trade/${encodeURIComponent(symbol)}`} className="button plain">
          Place one of my own
        </Link>
      }
      onSubmit={async () => {
        try {
          const header = { "Idempotency-Key": key };
          setPlaced(await take(api.POST("/api/v1/orders", { params: { header }, body })));
        } catch (error) {
          // What was refused is over; another try is another order. What may have arrived keeps its name.
          if (error instanceof ApiError && !error.isPassing && error.code !== "outcome_unknown") setKey(newKey());
          throw error;
        }
        await client.invalidateQueries({ queryKey: ["onboarding"] });
        await client.invalidateQueries({ queryKey: ["orders", body.account] });
        await client.invalidateQueries({ queryKey: ["portfolio", body.account] });
      }}
    >
      {() => <Terms preview={preview.data} />}
    </Form>
  );
}

/** What the order would cost, as the gateway says; of the same size before it is known. */
function Terms({ preview }: { preview: Schemas["Preview"] | undefined }) {
  const money = (amount: string | null | undefined) => (amount ? `${show(amount, 2)} ${preview?.currency ?? ""}` : "–");
  const facts = [
    ["Price now, about", show(preview?.mark_price)],
    ["Value", money(preview?.notional)],
    ["Fee", money(preview?.fee)],
    ["From your cash", money(preview?.cost)],
  ];
  return (
    <dl className="facts terms" aria-label="What it would cost">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function isOver(order: Order): boolean {
  return ["filled", "canceled", "rejected", "expired"].includes(order.status ?? "");
}

function outcome(order: Order): string {
  if (order.status === "filled") {
    return `Bought ${show(order.filled_qty)} ${order.symbol} at ${show(order.avg_price)} ${order.currency}.`;
  }
  if (order.status === "rejected")
    return `The order was refused: ${order.reject?.message ?? "the engine did not say why"}.`;
  if (isOver(order)) return `The order is ${words(order.status).toLowerCase()}; nobody sold at the time.`;
  return `The order is in the market (${words(order.status).toLowerCase()}) …`;
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
