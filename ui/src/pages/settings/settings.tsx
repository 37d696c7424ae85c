import { type ReactNode, useEffect, useRef } from "react";
import { useHash } from "../../shell/hash";
import { ApiKeys } from "./api-keys";
import { Brokers } from "./brokers";
import { Organisations } from "./organisations";
import { Password } from "./password";
import { Pin } from "./pin";
import { PlanAndBilling } from "./plan";
import { ProfileSection } from "./profile";
import { SecondFactor } from "./second-factor";
import { Sessions } from "./sessions";
import "./settings.css";

const SECTIONS: readonly [id: string, title: string, group: string, content: () => ReactNode][] = [
  ["profile", "Profile", "You", () => <ProfileSection />],
  ["password", "Password", "Security", () => <Password />],
  ["second-factor", "Second factor", "Security", () => <SecondFactor />],
  ["pin", "PIN", "Security", () => <Pin />],
  ["sessions", "Sessions", "Security", () => <Sessions />],
  ["api-keys", "API keys", "Access", () => <ApiKeys />],
  ["brokers", "Brokers", "Access", () => <Brokers />],
  ["organisations", "Organisations", "Access", () => <Organisations />],
  ["plan", "Plan and billing", "Access", () => <PlanAndBilling />],
];

/** One section at a time, each with an address of its own. */
export default function Settings() {
  const wanted = useHash();
  const [id, title, , content] = SECTIONS.find(([one]) => one === wanted) ?? (SECTIONS[0] as (typeof SECTIONS)[0]);
  const head = useRef<HTMLHeadingElement>(null);
  const first = useRef(true);
  // biome-ignore lint/correctness/useExhaustiveDependencies: who listens hears of the next section
  useEffect(() => {
    if (!first.current) head.current?.focus();
    first.current = false;
  }, [id]);
  return (
    <div className="page settings">
      <nav className="side" aria-label="Settings">
        {[...new Set(SECTIONS.map(([, , group]) => group))].map((group) => (
          <div key={group} className="side-group">
            <span className="side-title">{group}</span>
            {SECTIONS.filter(([, , of]) => of === group).map(([one, name]) => (
              <a key={one} href={`#${one}`} aria-current={one === id ? "page" : undefined}>
                {name}
              </a>
            ))}
          </div>
        ))}
      </nav>
      <div className="stack settings-body">
        <h1 ref={head} tabIndex={-1}>
          {title}
        </h1>
        {content()}
      </div>
    </div>
  );
}
