import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useId, useState, useSyncExternalStore } from "react";
import { api, type Schemas, take } from "../../api/client";
import { Confirm, ConfirmButton } from "../../components/confirm";
import { Button, TextField } from "../../components/controls";
import { Form } from "../../components/form";
import { tellError } from "../../components/notices";
import { type Instrument, useSession } from "../../shell/user";

export type Watchlist = Schemas["Watchlist"];

/** What the first star makes. */
const FIRST = "Watched";

// Which list is looked at; nothing: the whole market. Stars and the bar share it.
let chosenId: string | null = null;
const listeners = new Set<() => void>();

function choose(id: string | null): void {
  chosenId = id;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The user's lists, which is looked at, and what changes them. What is shown is what the gateway answered. */
export function useWatchlists() {
  const { status, user } = useSession();
  const client = useQueryClient();
  const queryKey = ["watchlists", user];
  const query = useQuery({ queryKey, queryFn: () => take(api.GET("/api/v1/watchlists")), enabled: status === "in" });
  const id = useSyncExternalStore(subscribe, () => chosenId);
  const lists = query.data ?? [];
  const chosen = lists.find((one) => one.id === id);
  const put = (list: Watchlist) =>
    client.setQueryData<Watchlist[]>(queryKey, (before = []) =>
      [...before.filter((one) => one.id !== list.id), list].sort((a, b) => a.name.localeCompare(b.name)),
    );
  return {
    lists,
    isKnown: query.data !== undefined,
    chosen,
    choose,
    async create(name: string, symbols: string[] = []) {
      const list = await take(api.POST("/api/v1/watchlists", { body: { name, symbols } }));
      put(list);
      return list;
    },
    async change(list: Watchlist, change: Partial<Schemas["Content"]>) {
      const { name, symbols } = list;
      const params = { path: { id: list.id } };
      put(await take(api.PUT("/api/v1/watchlists/{id}", { params, body: { name, symbols, ...change } })));
    },
    async remove(list: Watchlist) {
      await take(api.DELETE("/api/v1/watchlists/{id}", { params: { path: { id: list.id } } }));
      client.setQueryData<Watchlist[]>(queryKey, (before) => before?.filter((one) => one.id !== list.id));
      choose(null);
    },
  };
}

type Watch = ReturnType<typeof useWatchlists>;

/** Puts a symbol into the list that is looked at, else the first, or takes it out. */
export function WatchStar({ symbol }: { symbol: string }) {
  const watch = useWatchlists();
  const [busy, setBusy] = useState(false);
  const list = watch.chosen ?? watch.lists[0];
  const isIn = list?.symbols.includes(symbol) ?? false;
  const toggle = async () => {
    setBusy(true);
    try {
      if (!list) await watch.create(FIRST, [symbol]);
      else {
        const others = list.symbols.filter((one) => one !== symbol);
        await watch.change(list, { symbols: isIn ? others : [...others, symbol] });
      }
    } catch (error) {
      tellError(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <button
      type="button"
      className={isIn ? "star in" : "star"}
      aria-pressed={isIn}
      aria-label={`${symbol} in ${list?.name ?? FIRST}`}
      disabled={busy || !watch.isKnown}
      onClick={() => void toggle()}
    >
      {isIn ? "★" : "☆"}
    </button>
  );
}

/** The lists side by side, and what can be done with the one that is looked at. */
export function WatchBar({ watch, instruments }: { watch: Watch; instruments: Instrument[] }) {
  const [asks, setAsks] = useState<"new" | "rename" | null>(null);
  const { chosen, lists } = watch;
  return (
    <div className="watch-bar">
      <nav className="tabs" aria-label="Watch lists">
        {[null, ...lists].map((list) => (
          <button
            key={list?.id ?? ""}
            type="button"
            className="watch-tab"
            aria-current={list?.id === chosen?.id ? "true" : undefined}
            onClick={() => watch.choose(list?.id ?? null)}
          >
            {list ? (
              <>
                {list.name} <span className="muted">{list.symbols.length}</span>
              </>
            ) : (
              "All"
            )}
          </button>
        ))}
        <button type="button" className="watch-tab" onClick={() => setAsks("new")}>
          + New list
        </button>
      </nav>
      {chosen && (
        <div className="row">
          <AddSymbol key={chosen.id} watch={watch} list={chosen} instruments={instruments} />
          <Button small kind="plain" onClick={() => setAsks("rename")}>
            Rename
          </Button>
          <ConfirmButton
            label="Delete"
            name={`Delete ${chosen.name}`}
            title={`Delete ${chosen.name}?`}
            act="Delete it"
            destroys
            onConfirm={() => watch.remove(chosen)}
          >
            <p>The list is gone with its {chosen.symbols.length} symbols. Nothing is traded.</p>
          </ConfirmButton>
        </div>
      )}
      {asks && (
        <NameList
          name={asks === "rename" && chosen ? chosen.name : ""}
          onClose={() => setAsks(null)}
          onName={async (name) => {
            if (asks === "rename" && chosen) await watch.change(chosen, { name });
            else watch.choose((await watch.create(name)).id);
          }}
        />
      )}
    </div>
  );
}

interface NameListProps {
  name: string;
  onName: (name: string) => Promise<void>;
  onClose: () => void;
}

function NameList({ name: before, onName, onClose }: NameListProps) {
  const [name, setName] = useState(before);
  return (
    <Confirm
      title={before ? `Rename ${before}` : "New list"}
      act={before ? "Rename it" : "Make it"}
      onClose={onClose}
      onConfirm={() => onName(name.trim())}
    >
      {(wrong) => (
        <TextField
          label="Name of the list"
          required
          maxLength={60}
          autoFocus
          value={name}
          error={wrong("name")}
          onChange={(event) => setName(event.target.value)}
        />
      )}
    </Confirm>
  );
}

interface AddSymbolProps {
  watch: Watch;
  list: Watchlist;
  instruments: Instrument[];
}

export function AddSymbol({ watch, list, instruments }: AddSymbolProps) {
  const [text, setText] = useState("");
  const id = useId();
  const wanted = text.trim().toUpperCase();
  const found = instruments.find((one) => one.symbol.toUpperCase() === wanted)?.symbol;
  const isIn = !!found && list.symbols.includes(found);
  const others = instruments.filter((one) => !list.symbols.includes(one.symbol));
  return (
    <div className="watch-add">
      <Form
        label={`Add a symbol to ${list.name}`}
        button="Add"
        disabled={!found || isIn}
        onSubmit={async () => {
          if (!found) return;
          await watch.change(list, { symbols: [...list.symbols, found] });
          setText("");
        }}
      >
        {(wrong) => (
          <>
            <TextField
              label={<span className="unseen">Symbol to add</span>}
              placeholder="Add a symbol"
              list={id}
              autoComplete="off"
              value={text}
              error={
                wrong("symbols") ??
                (isIn
                  ? "It is in the list."
                  : wanted &&
                      !found &&
                      others.length > 0 &&
                      !others.some((one) => one.symbol.toUpperCase().startsWith(wanted))
                    ? "No such symbol."
                    : undefined)
              }
              onChange={(event) => setText(event.target.value)}
            />
            <datalist id={id}>
              {others.map((one) => (
                <option key={one.symbol} value={one.symbol} />
              ))}
            </datalist>
          </>
        )}
      </Form>
    </div>
  );
}
