/** Those who want to hear when something changes, as `useSyncExternalStore` asks for it. */
export class Listeners {
  private readonly all = new Set<() => void>();

  /** Tells `listener` from now on, until the function that it returns is called. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.all.add(listener);
    return () => this.all.delete(listener);
  };

  tell(): void {
    for (const listener of this.all) listener();
  }
}
