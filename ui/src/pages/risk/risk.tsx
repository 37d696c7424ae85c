import "./risk.css";
import { useSearchParams } from "wouter";
import { Select } from "../../components/controls";
import { useLink } from "../../live/market";
import { useStopped } from "../../live/risk";
import { useAccount, useMay } from "../../shell/user";
import { RiskHistory } from "./history";
import { Controls, Limits, StandsStill } from "./in-force";
import { KillSwitch } from "./kill";
import { useRiskEvents, useSeenAccounts } from "./live";
import { Proposals } from "./proposals";
import { accountName } from "./say";

export default function Risk() {
  const mayControl = useMay("risk:write");
  const own = useAccount();
  // The address says which account is looked at, so that other pages lead to one.
  const [params, setParams] = useSearchParams();
  const chosen = params.get("account");
  const { accounts, names, more } = useSeenAccounts(chosen);
  // Of an account that was chosen no other takes the place.
  const account = accounts.find((one) => one.id === (chosen ?? own?.id)) ?? (chosen ? undefined : accounts[0]);
  const stopped = useStopped();
  const said = useRiskEvents(names);
  const link = useLink();
  return (
    <div className="page desk risk">
      <div className="row spread">
        <h1>Risk</h1>
        <p className="said" aria-live="polite">
          {said}
        </p>
        {link === "offline" && <span className="chip warn">Not live: what changes is seen after it is asked for</span>}
      </div>
      <div className="risk-parts">
        {mayControl && <KillSwitch accounts={accounts} names={names} {...(more ? { more } : {})} />}
        {mayControl && <Proposals names={names} />}
        <StandsStill stopped={stopped} names={names} />
        <Limits
          account={account}
          choice={
            accounts.length > 1 && (
              <div className="account-pick">
                <Select
                  label={<span className="unseen">Account</span>}
                  value={account?.id ?? ""}
                  options={[
                    ...(account ? [] : [["", "Choose one"] as const]),
                    ...accounts.map((one) => [one.id, accountName(one)] as const),
                  ]}
                  onChange={(id) => setParams({ account: id }, { replace: true })}
                />
              </div>
            )
          }
        />
        <Controls names={names} />
        <RiskHistory names={names} />
      </div>
    </div>
  );
}
