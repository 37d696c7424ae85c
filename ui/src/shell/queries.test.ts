import { expect, test } from "vitest";
import { forget, signIn } from "../api/session";
import { queries } from "./queries";

const enter = (user: string) => signIn({ access_token: "a", expires_in: 900, refresh_token: "r", user });
const KEY = ["orders", "a1"];

test("what was answered to somebody is gone with them, and stays over a renewal", () => {
  enter("u1");
  queries.setQueryData(KEY, [1]);
  enter("u1");
  expect(queries.getQueryData(KEY)).toEqual([1]);
  enter("u2");
  expect(queries.getQueryData(KEY)).toBeUndefined();
  queries.setQueryData(KEY, [2]);
  forget();
  expect(queries.getQueryData(KEY)).toBeUndefined();
});

test("another tab that signs out clears it too", () => {
  enter("u1");
  queries.setQueryData(KEY, [1]);
  localStorage.removeItem("tidegate.session");
  dispatchEvent(new StorageEvent("storage", { key: "tidegate.session", newValue: null }));
  expect(queries.getQueryData(KEY)).toBeUndefined();
});
