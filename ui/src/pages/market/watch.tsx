import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useId, useState, useSyncExternalStore } from "react";
import { api, type Schemas, take } from "../../api/client";
import { Confirm, ConfirmButton } from "../../components/confirm";
import { Button, TextField } from "../../components/controls";
import { Form } from "../../components/form";
import { tellError } from "../../components/notices";
import { saying } from "../../components/states";
import { Listeners } from "../../listeners";
import { type Instrument, useSession } from "../../shell/user";

type Watchlist = Schemas["Watchlist"];

/** What the first star makes. */
const FIRST = "Watched";

// Which list is looked at; nothing: the whole market. Stars and the bar share it.
let chosenId: string | null = null;
const listeners = new Listeners();

function choose(id: string | null): void {
  chosenId = id;
  listeners.tell();
}

let last: Promise<unknown> = Promise.resolve();

/** Does what changes lists one after the other: a list is sent whole, made of what the change before has left. */
function inTurn<T>(act: () => Promise<T>): Promise<T> {
  const turn = last.then(act, act);
  last = turn;
  return turn;
}

/** The user's lists, which is looked at, and what changes them. What is shown is what the gateway answered. */
export function useWatchlists() {
  const { status, user } = useSession();
  const client = useQueryClient();
  const queryKey = ["watchlists", user];
  const query = useQuery({ queryKey, queryFn: () => take(api.GET("/api/v1/watchlists")), enabled: status === "in" });
  const id = useSyncExternalStore(listeners.subscribe, () => chosenId);
  const lists = query.data ?? [];
  const chosen = lists.find((one) => one.id === id);
  const put = async (list: Watchlist) => {
    // An answer that is still under way may be older than the list.
    await client.cancelQueries({ queryKey });
    client.setQueryData<Watchlist[]>(queryKey, (before = []) =>
      [...before.filter((one) => one.id !== list.id), list].sort((a, b) => a.name.localeCompare(b.name)),
    );
  };
  const known = () => client.getQueryData<Watchlist[]>(queryKey) ?? [];
  const create = async (name: string, symbols: string[] = []) => {
    const list = await take(api.POST("/api/v1/watchlists", { body: { name, symbols } }));
    await put(list);
    return list;
  };
  const change = async ({ id, name, symbols }: Watchlist, change: Partial<Schemas["Content"]>) => {
    const body = { name, symbols, ...change };
    await put(await take(api.PUT("/api/v1/watchlists/{id}", { params: { path: { id } }, body })));
  };
  /** Changes a list as it is when its turn comes; one that is gone by then stays so. */
  const changeNow = (id: string, of: (list: Watchlist) => Partial<Schemas["Content"]>) =>
    inTurn(async () => {
      const list = known().find((one) => one.id === id);
      if (list) await change(list, of(list));
    });
  return {
    query,
    lists,
    chosen,
    choose,
    create: (name: string) => inTurn(() => create(name)),
    rename: (list: Watchlist, name: string) => changeNow(list.id, () => ({ name })),
    add: (list: Watchlist, symbol: string) =>
      changeNow(list.id, ({ symbols }) => ({ symbols: [...symbols.filter((one) => one !== symbol), symbol] })),
    takeOut: (list: Watchlist, symbol: string) =>
      changeNow(list.id, ({ symbols }) => ({ symbols: symbols.filter((one) => one !== symbol) })),
    /** Into the first list, which is made if there is none yet. */
    begin: (symbol: string) =>
      inTurn(async () => {
        const first = known()[0];
        if (!first) await create(FIRST, [symbol]);
        else await change(first, { symbols: [...first.symbols.filter((one) => one !== symbol), symbol] });
      }),
    remove: (list: Watchlist) =>
      inTurn(async () => {
        await take(api.DELETE("/api/v1/watchlists/{id}", { params: { path: { id: list.id } } }));
        client.setQueryData<Watchlist[]>(queryKey, (before) => before?.filter((one) => one.id !== list.id));
        choose(null);
      }),
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
      if (!list) await watch.begin(symbol);
      else await (isIn ? watch.takeOut(list, symbol) : watch.add(list, symbol));
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
      disabled={busy || !watch.query.data}
      onClick={() => void toggle()}
    >
      {isIn ? "★" : "☆"}
    </button>
  );
}

/** The lists side by side, and what can be done with the one that is looked at. */
export function WatchBar({ watch, instruments }: { watch: Watch; instruments: Instrument[] }) {
  const [asks, setAsks] = useState<"new" | "rename" | null>(null);
  const { chosen, lists, query } = watch;
  return (
    <div className="watch-bar">
      {query.error && !query.data && (
        <p className="banner warn" role="alert">
          Your watch lists could not be loaded: {saying(query.error)}
          <Button small busy={query.isFetching} onClick={() => void query.refetch()}>
            Try again
          </Button>
        </p>
      )}
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
        {query.data && (
          <button type="button" className="watch-tab" onClick={() => setAsks("new")}>
            + New list
          </button>
        )}
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
            if (asks === "rename" && chosen) await watch.rename(chosen, name);
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

function AddSymbol({ watch, list, instruments }: AddSymbolProps) {
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
          await watch.add(list, found);
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
