import { QueryClient, QueryClientProvider, useQuery } from "@tanstack/react-query";
import { cleanup, render, screen, waitFor } from "@testing-library/react";
import { afterEach, expect, test } from "vitest";
import { Loaded } from "./states";

afterEach(cleanup);

function Asked({ name, ask }: { name: string; ask: () => Promise<string> }) {
  const query = useQuery({ queryKey: [name], queryFn: ask, retry: false });
  return <Loaded query={query}>{(text) => <p>{text}</p>}</Loaded>;
}

test("what is wrong stays while it is asked for anew, and is not another question's", async () => {
  const replies: (() => Promise<string>)[] = [() => Promise.reject(new Error("no engine"))];
  let answer = (_: string): void => undefined;
  replies.push(() => new Promise((done) => (answer = done)));
  const ask = () => replies.shift()?.() ?? Promise.resolve("");
  const client = new QueryClient();
  const view = (name: string) => (
    <QueryClientProvider client={client}>
      <Asked name={name} ask={ask} />
    </QueryClientProvider>
  );
  const { rerender } = render(view("one"));
  expect((await screen.findByRole("alert")).textContent).toContain("no engine");

  void client.refetchQueries();
  await waitFor(() => expect(screen.getByRole("button").getAttribute("aria-busy")).toBe("true"));
  expect(screen.getByRole("alert").textContent).toContain("no engine");
  answer("it is there");
  expect(await screen.findByText("it is there")).toBeTruthy();

  replies.push(() => new Promise(() => undefined));
  rerender(view("two"));
  expect(await screen.findByRole("status")).toBeTruthy();
  expect(screen.queryByRole("alert")).toBeNull();
});
