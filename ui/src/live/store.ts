// What is followed, by name, and who looks at it. Messages come a thousand times a second; who looks is told once a frame.

type Listener = () => void;

const dirty = new Set<Set<Listener>>();
let scheduled = false;

function flush(): void {
  scheduled = false;
  const due = [...dirty];
  dirty.clear();
  for (const listeners of due) for (const listener of listeners) listener();
}

/** Tells `listeners` before the next frame is drawn. A hidden page draws none, and is told now and then. */
function schedule(listeners: Set<Listener>): void {
  dirty.add(listeners);
  if (scheduled) return;
  scheduled = true;
  if (document.hidden) setTimeout(flush, 1_000);
  else requestAnimationFrame(flush);
}

interface Entry<T> {
  value: T | undefined;
  listeners: Set<Listener>;
  stop: (() => void) | undefined;
  leaving: ReturnType<typeof setTimeout> | undefined;
}

/** A thing that nobody looks at any more is still followed for so long: pages are left and come back to. */
const LINGER_MS = 2_000;

/** Values by key, each followed as long as somebody looks. */
export class Feed<T> {
  private readonly entries = new Map<string, Entry<T>>();

  constructor(private readonly begin: (key: string, set: (next: (before: T | undefined) => T) => void) => () => void) {}

  private entry(key: string): Entry<T> {
    let entry = this.entries.get(key);
    if (!entry) {
      entry = { value: undefined, listeners: new Set(), stop: undefined, leaving: undefined };
      this.entries.set(key, entry);
    }
    return entry;
  }

  get(key: string): T | undefined {
    return this.entries.get(key)?.value;
  }

  look(key: string, listener: Listener): () => void {
    const entry = this.entry(key);
    clearTimeout(entry.leaving);
    entry.listeners.add(listener);
    entry.stop ??= this.begin(key, (next) => {
      entry.value = next(entry.value);
      schedule(entry.listeners);
    });
    return () => {
      entry.listeners.delete(listener);
      if (entry.listeners.size > 0) return;
      entry.leaving = setTimeout(() => {
        entry.stop?.();
        this.entries.delete(key);
      }, LINGER_MS);
    };
  }
}
