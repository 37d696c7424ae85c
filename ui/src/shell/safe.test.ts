import { expect, test } from "vitest";
import { safe } from "./safe";

test.each(["//evil.org", "/\\evil.org", "/\t/evil.org", "/\n/evil.org", "https://evil.org", "trade", "//", "", null])(
  "%j is no path of this page",
  (bad) => expect(safe(bad)).toBeNull(),
);

test("paths of this page are gone to as they are", () => {
  expect(safe("/trade/EUR%2FUSD?side=buy#ticket")).toBe("/trade/EUR%2FUSD?side=buy#ticket");
});
