import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, type Schemas, take } from "../../api/client";
import { ApiError } from "../../api/error";
import { Button } from "../../components/controls";
import { Facts } from "../../components/facts";
import { words } from "../../components/figures";
import { Arrived } from "../../components/focus";
import { Panel } from "../../components/panel";
import { Loaded, saying } from "../../components/states";
import { short } from "../../format/number";
import { day } from "../../format/time";
import { useSession } from "../../shell/user";

type Plan = Schemas["PlanReport"];

const count = (most: number | null | undefined) => (typeof most === "number" ? short(most) : "Any number");

export function PlanAndBilling() {
  const { user } = useSession();
  const plans = useQuery({ queryKey: ["plans", user], queryFn: () => take(api.GET("/api/v1/plans")) });
  const subscription = useQuery({
    queryKey: ["subscription", user],
    queryFn: () => take(api.GET("/api/v1/billing/subscription")),
  });
  const [going, setGoing] = useState(false);
  const [said, setSaid] = useState<unknown>(null);
  const [notSold, setNotSold] = useState<{ asked: string; all: boolean }[]>([]);
  const isPaid = !!subscription.data && !["none", "canceled"].includes(subscription.data.status);

  /** Leaves for a page of the payment service. */
  const leave = async (page: Promise<Schemas["Page"] | null>) => {
    setGoing(true);
    setSaid(null);
    try {
      const found = await page;
      if (found) location.assign(found.url);
      else setGoing(false);
    } catch (error) {
      setSaid(error);
      setGoing(false);
    }
  };
  /** What is sold the gateway tells only who tries to buy: no plan, or not this one. */
  const buy = async (plan: Plan["plan"]) => {
    try {
      return await take(api.POST("/api/v1/billing/checkout", { body: { plan } }));
    } catch (error) {
      const all = error instanceof ApiError && error.code === "not_found";
      if (!all && !(error instanceof ApiError && error.field === "plan")) throw error;
      setNotSold((before) => [...before, { asked: plan, all }]);
      return null;
    }
  };
  return (
    <>
      {!!said && (
        <p className="banner danger" role="alert">
          {saying(said)}
        </p>
      )}
      <Loaded query={plans} rows={6}>
        {(all) => (
          <div className="plans">
            {all.map((plan) => (
              <PlanCard
                key={plan.plan}
                plan={plan}
                going={going}
                isNotSold={notSold.some(({ asked, all }) => all || asked === plan.plan)}
                wasAsked={notSold.some(({ asked }) => asked === plan.plan)}
                onBuy={() => void leave(buy(plan.plan))}
              />
            ))}
          </div>
        )}
      </Loaded>
      <Panel title="What you pay for">
        <Loaded query={subscription} rows={2}>
          {({ status, plan, paid_until }) =>
            isPaid ? (
              <div className="stack">
                <Facts
                  facts={[
                    ["Plan", words(plan)],
                    ["State", words(status)],
                    ["Paid until", paid_until ? day(paid_until) : "–"],
                  ]}
                />
                <div className="row">
                  <Button busy={going} onClick={() => void leave(take(api.POST("/api/v1/billing/portal")))}>
                    Change or end it
                  </Button>
                </div>
              </div>
            ) : (
              <p className="muted">Nothing. Trading on paper is free.</p>
            )
          }
        </Loaded>
      </Panel>
    </>
  );
}

interface PlanCardProps {
  plan: Plan;
  going: boolean;
  isNotSold: boolean;
  /** It was this one that somebody wanted to buy. */
  wasAsked: boolean;
  onBuy: () => void;
}

function PlanCard({ plan, going, isNotSold, wasAsked, onBuy }: PlanCardProps) {
  const isOffered = !plan.is_current && plan.plan !== "free";
  const notSold = <p className="muted">It is not sold here. An administrator can give it to you.</p>;
  return (
    <section className={plan.is_current ? "panel plan current" : "panel plan"} aria-label={words(plan.plan)}>
      <h2>{words(plan.plan)}</h2>
      <Facts
        facts={[
          ["Orders of programs a day", count(plan.automatic_orders_per_day)],
          ["Questions to models a day", count(plan.ai_queries_per_day)],
          ["Orders of your own", "Any number"],
        ]}
      />
      {plan.is_current && <span className="chip good">✓ Yours</span>}
      {isOffered && isNotSold && (wasAsked ? <Arrived>{notSold}</Arrived> : notSold)}
      {isOffered && !isNotSold && (
        <Button busy={going} onClick={onBuy}>
          Choose {words(plan.plan)}
        </Button>
      )}
    </section>
  );
}
