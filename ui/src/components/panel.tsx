import { type KeyboardEvent, type ReactNode, useId, useState } from "react";

interface PanelProps {
  title: ReactNode;
  /** Beside the title. */
  actions?: ReactNode;
  /** Without inner margin, for grids and charts. */
  flush?: boolean;
  className?: string;
  children: ReactNode;
}

export function Panel({ title, actions, flush, className, children }: PanelProps) {
  const id = useId();
  return (
    <section className={["panel", className].filter(Boolean).join(" ")} aria-labelledby={id}>
      <div className="panel-head spread">
        <h2 id={id}>{title}</h2>
        {actions}
      </div>
      <div className={flush ? "panel-body flush" : "panel-body"}>{children}</div>
    </section>
  );
}

interface TabsProps {
  label: string;
  tabs: readonly { id: string; title: ReactNode; content: () => ReactNode }[];
  className?: string;
  actions?: ReactNode;
  /** Where the page itself chooses now and then. */
  chosen?: string;
  onChoose?: (id: string) => void;
}

/** A panel of several, one of which is seen. Arrow keys go from one to the next. */
export function TabPanel({ label, tabs, className, actions, chosen: given, onChoose }: TabsProps) {
  const [own, setOwn] = useState(tabs[0]?.id);
  const chosen = given ?? own;
  const choose = onChoose ?? setOwn;
  const id = useId();
  const current = tabs.find((tab) => tab.id === chosen) ?? tabs[0];
  const move = (event: KeyboardEvent) => {
    const way = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (!way) return;
    const at = tabs.findIndex((tab) => tab.id === current?.id);
    const next = tabs[(at + way + tabs.length) % tabs.length];
    if (!next) return;
    choose(next.id);
    document.getElementById(`${id}-${next.id}`)?.focus();
  };
  return (
    <section className={["panel", className].filter(Boolean).join(" ")} aria-label={label}>
      <div className="panel-head spread">
        <div className="tabs" role="tablist" aria-label={label} onKeyDown={move}>
          {tabs.map((tab) => (
            <button
              key={tab.id}
              id={`${id}-${tab.id}`}
              type="button"
              role="tab"
              aria-selected={tab.id === current?.id}
              aria-controls={`${id}-panel`}
              tabIndex={tab.id === current?.id ? 0 : -1}
              onClick={() => choose(tab.id)}
            >
              {tab.title}
            </button>
          ))}
        </div>
        {actions}
      </div>
      <div className="panel-body flush" role="tabpanel" id={`${id}-panel`} aria-labelledby={`${id}-${current?.id}`}>
        {current?.content()}
      </div>
    </section>
  );
}
