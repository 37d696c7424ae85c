// What the gateway answered, for all pages. It is cleared when another person sits down, or nobody does.

import { QueryClient } from "@tanstack/react-query";
import { ApiError } from "../api/error";
import { sessionState, subscribeSession } from "../api/session";

export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      retry: (failures, error) => failures < 2 && error instanceof ApiError && error.isPassing,
      refetchOnWindowFocus: true,
      staleTime: 5_000,
    },
  },
});

let before = sessionState().user;
subscribeSession(() => {
  const { user } = sessionState();
  // A renewal is no change, and what a stranger has seen everybody may see.
  if (before && user !== before) queries.clear();
  before = user;
});
