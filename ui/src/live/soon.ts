export interface Soon {
  ask: () => void;
  cancel: () => void;
}

/** Does `act` once for all that ask for it, `ms` after the first of them. */
export function soon(act: () => void, ms: number): Soon {
  let due: ReturnType<typeof setTimeout> | undefined;
  return {
    ask: () => {
      due ??= setTimeout(() => {
        due = undefined;
        act();
      }, ms);
    },
    cancel: () => {
      clearTimeout(due);
      due = undefined;
    },
  };
}
