import { useState } from "react";
import { api, take } from "../../api/client";
import { Confirm } from "../../components/confirm";
import { Button, Segments, Select, TextField } from "../../components/controls";
import { tell } from "../../components/notices";
import { Panel } from "../../components/panel";
import { useStopped } from "../../live/risk";
import { useInstruments } from "../../shell/user";
import { type Account, useRefresh } from "./live";
import { accountName, effect, isAbout, type Mode, type Names, type Scope, whom } from "./say";

type Kind = Scope["kind"];

const KINDS = [
  ["firm", "Firm"],
  ["account", "Account"],
  ["instrument", "Instrument"],
  ["strategy", "Strategy"],
] as const;
const MODES = [
  ["block", "Block all"],
  ["reduce_only", "Reduce only"],
] as const;
/** The highest number of a strategy. */
const STRATEGY_MAX = 4_095;

interface KillSwitchProps {
  accounts: readonly Account[];
  names: Names;
  /** Loads more accounts, if there are any. */
  more?: () => void;
}

/** Stops whoever is chosen. One person is enough; it takes two to let go. */
export function KillSwitch({ accounts, names, more }: KillSwitchProps) {
  const instruments = useInstruments().data ?? [];
  const refresh = useRefresh();
  const [kind, setKind] = useState<Kind>("account");
  const [account, setAccount] = useState("");
  const [symbol, setSymbol] = useState("");
  const [strategy, setStrategy] = useState("");
  const [mode, setMode] = useState<Mode>("block");
  const [asks, setAsks] = useState(false);
  const scope = ((): Scope | null => {
    if (kind === "firm") return { kind };
    if (kind === "account") return account ? { kind, account } : null;
    if (kind === "instrument") return symbol ? { kind, symbol } : null;
    const number = Number(strategy);
    return Number.isInteger(number) && number >= 1 && number <= STRATEGY_MAX ? { kind, strategy: number } : null;
  })();
  // One that lets orders reduce may be made to block. The other way is not offered: it would loosen without a second person.
  const inForce = useStopped().data?.kills.find((kill) => scope && isAbout(kill.scope, scope));
  const isDone = inForce !== undefined && (inForce.mode !== "reduce_only" || mode === "reduce_only");
  const engage = async (reason: string) => {
    if (!scope) return;
    const { canceled } = await take(api.POST("/api/v1/risk/kill", { body: { scope, mode, reason } }));
    tell(
      `Engaged for ${whom(scope, names)}: ${canceled} open ${canceled === 1 ? "order was" : "orders were"} canceled.`,
    );
    refresh();
  };
  return (
    <Panel title="Kill switch" className="kill">
      <div className="stack">
        <Segments label="Whom to stop" value={kind} options={KINDS} onChange={setKind} />
        {kind === "account" && (
          <div className="row pick">
            <Select
              label="Account"
              value={account}
              options={[["", "Choose one"], ...accounts.map((one) => [one.id, accountName(one)] as const)]}
              onChange={setAccount}
            />
            {more && (
              <Button small onClick={more}>
                Load more accounts
              </Button>
            )}
          </div>
        )}
        {kind === "instrument" && (
          <Select
            label="Instrument"
            value={symbol}
            options={[["", "Choose one"], ...instruments.map((one) => [one.symbol, one.symbol] as const)]}
            onChange={setSymbol}
          />
        )}
        {kind === "strategy" && (
          <TextField
            label={`Strategy, 1 to ${STRATEGY_MAX.toLocaleString()}`}
            inputMode="numeric"
            value={strategy}
            error={strategy && !scope ? `A whole number from 1 to ${STRATEGY_MAX.toLocaleString()}` : undefined}
            onChange={(event) => setStrategy(event.target.value.trim())}
          />
        )}
        <Segments label="What may still pass" value={mode} options={MODES} onChange={setMode} />
        {scope && isDone ? (
          <p className="effect">
            The kill switch for {whom(scope, names)} is engaged already
            {inForce.mode === "reduce_only" && ", and lets orders through that only reduce a position"}. Two persons
            release it under “What stands still”.
          </p>
        ) : (
          <>
            <p className="muted effect">{scope ? effect(whom(scope, names), mode) : "Choose whom to stop."}</p>
            <Button kind="danger-side" disabled={!scope} onClick={() => setAsks(true)}>
              Stop {scope ? whom(scope, names) : "…"}
            </Button>
          </>
        )}
      </div>
      {asks && scope && (
        <Confirm
          title={`Stop ${whom(scope, names)}`}
          act={`Stop ${whom(scope, names)} now`}
          destroys
          asksReason
          onConfirm={engage}
          onClose={() => setAsks(false)}
        >
          <p>{effect(whom(scope, names), mode)}</p>
        </Confirm>
      )}
    </Panel>
  );
}
