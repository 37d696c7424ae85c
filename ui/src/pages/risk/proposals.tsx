import { useEffect, useState } from "react";
import { api, type Schemas, take } from "../../api/client";
import { Confirm } from "../../components/confirm";
import { Button } from "../../components/controls";
import { words } from "../../components/figures";
import { tell } from "../../components/notices";
import { Panel } from "../../components/panel";
import { Empty, Loaded } from "../../components/states";
import { dateTime } from "../../format/time";
import { useMe } from "../../shell/user";
import { changeText } from "./change";
import { left, mayDecide } from "./decide";
import { useProposals, useRefresh } from "./live";
import { type Names, type Proposal, whom } from "./say";

interface Asked {
  proposal: Proposal;
  decision: Schemas["Decision"];
  /** Whether it is one's own, which is taken back. */
  isOwn: boolean;
}

function wordsFor({ decision, isOwn }: Asked): string {
  return decision === "approve" ? "Approve" : isOwn ? "Take back" : "Refuse";
}

/** What waits for a second person, and what became of it. */
export function Proposals({ names }: { names: Names }) {
  const [isAll, setAll] = useState(false);
  const proposals = useProposals(isAll);
  const me = useMe().data;
  const refresh = useRefresh();
  const [asked, ask] = useState<Asked | null>(null);
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, []);
  const decide = async (reason: string) => {
    if (!asked) return;
    const { number, hash } = asked.proposal;
    const { canceled } = await take(
      api.POST("/api/v1/risk/proposals/{number}/decision", {
        params: { path: { number } },
        body: { hash, decision: asked.decision, reason },
      }),
    );
    const done = { Approve: "approved, and it is done", Refuse: "refused", "Take back": "taken back" }[wordsFor(asked)];
    tell(`Proposal ${number} was ${done}${canceled > 0 ? `; ${canceled} orders were canceled` : ""}.`);
    refresh();
  };
  const asks = ({ summary: text, scope = null }: Proposal) => changeText({ text, scope }, names);
  return (
    <Panel
      title="Waits for a second person"
      className="proposals"
      actions={
        <label className="row">
          <input type="checkbox" checked={isAll} onChange={(event) => setAll(event.target.checked)} /> Decided too
        </label>
      }
    >
      <Loaded query={proposals} rows={4}>
        {(list) =>
          list.length === 0 ? (
            <Empty title="Nothing waits">
              Higher limits and releases of kill switches wait here for another person.
            </Empty>
          ) : (
            <ul className="proposal-list">
              {list.map((proposal) => {
                const may = mayDecide(proposal, me, now);
                const isPending = proposal.status === "pending";
                const begin = (decision: Asked["decision"]) => ask({ proposal, decision, isOwn: may === "take_back" });
                return (
                  <li key={proposal.number}>
                    <div className="row spread">
                      <strong>
                        {proposal.number} · {words(proposal.command)} · {whom(proposal.scope, names)}
                      </strong>
                      {isPending ? (
                        <span className="chip warn figures" title={`Lapses ${dateTime(proposal.lapses_at)}`}>
                          lapses in {left(proposal.lapses_at, now)}
                        </span>
                      ) : (
                        <span className={proposal.status === "approved" ? "chip good" : "chip"}>
                          {words(proposal.status)}
                        </span>
                      )}
                    </div>
                    <p title={proposal.summary}>{asks(proposal)}</p>
                    <p className="muted">
                      {proposal.proposer_name ?? `Principal ${proposal.proposer}`}: {proposal.reason}
                    </p>
                    <p className="muted hash">
                      Hash <code>{proposal.hash}</code>
                    </p>
                    {may === "decide" && (
                      <div className="row">
                        <Button small kind="primary" onClick={() => begin("approve")}>
                          Approve {proposal.number}
                        </Button>
                        <Button small onClick={() => begin("refuse")}>
                          Refuse {proposal.number}
                        </Button>
                      </div>
                    )}
                    {may === "take_back" && (
                      <div className="row">
                        <span>You asked for it: another person decides.</span>
                        <Button small onClick={() => begin("refuse")}>
                          Take {proposal.number} back
                        </Button>
                      </div>
                    )}
                  </li>
                );
              })}
            </ul>
          )
        }
      </Loaded>
      {asked && (
        <Confirm
          title={`${wordsFor(asked)} proposal ${asked.proposal.number}`}
          act={wordsFor(asked)}
          asksReason
          onConfirm={decide}
          onClose={() => ask(null)}
        >
          <p title={asked.proposal.summary}>{asks(asked.proposal)}</p>
          <p className="muted hash">
            Exactly this: <code>{asked.proposal.hash}</code>
          </p>
          {asked.decision === "approve" && <p>It is done at once.</p>}
        </Confirm>
      )}
    </Panel>
  );
}
