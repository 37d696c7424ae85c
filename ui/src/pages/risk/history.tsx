import { useMemo } from "react";
import type { RiskEvent } from "../../api/reports";
import { Button } from "../../components/controls";
import { words } from "../../components/figures";
import { type Column, Grid } from "../../components/grid";
import { Panel } from "../../components/panel";
import { Empty, Loaded } from "../../components/states";
import { dateTime } from "../../format/time";
import { changeText } from "./change";
import { useRiskHistory } from "./live";
import { type Names, whom } from "./say";

const KINDS: Record<RiskEvent["kind"], string> = {
  breach: "chip danger",
  kill: "chip danger",
  resumed: "chip good",
  release: "chip good",
  limits: "chip",
  control: "chip",
};

/** Breaches, kill switches, limits and controls as they changed. */
export function RiskHistory({ names }: { names: Names }) {
  const history = useRiskHistory();
  const rows = useMemo(() => history.data?.pages.flatMap((one) => one.data) ?? [], [history.data]);
  const columns: Column<RiskEvent>[] = [
    {
      id: "at",
      title: "Time",
      value: (row) => row.at,
      cell: (row) => <span className="figures">{dateTime(row.at)}</span>,
    },
    {
      id: "kind",
      title: "What",
      value: (row) => row.kind,
      cell: (row) => <span className={KINDS[row.kind] ?? "chip"}>{words(row.kind)}</span>,
    },
    { id: "scope", title: "Whom", value: (row) => whom(row.scope, names), cell: (row) => whom(row.scope, names) },
    { id: "text", title: "In one sentence", cell: (row) => <span title={row.text}>{changeText(row, names)}</span> },
    { id: "reason", title: "Reason", cell: (row) => row.reason ?? "–" },
    { id: "by", title: "By", value: (row) => row.by, cell: (row) => row.by ?? "–" },
  ];
  return (
    <Panel title="History" className="history" flush>
      <Loaded query={history} rows={6}>
        {() => (
          <>
            <Grid
              label="History of risk"
              rows={rows}
              columns={columns}
              rowKey={(row) => row.seq}
              wraps
              empty={<Empty title="Nothing has happened">Breaches, kill switches and new limits are here.</Empty>}
            />
            {history.hasNextPage && (
              <div className="more">
                <Button small busy={history.isFetchingNextPage} onClick={() => void history.fetchNextPage()}>
                  More
                </Button>
              </div>
            )}
          </>
        )}
      </Loaded>
    </Panel>
  );
}
