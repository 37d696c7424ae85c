// Pages are loaded when they are first seen, and their styles stay: a rule of one page must not fit what another has.

import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

const PAGES = "src/pages";

function files(page: string, ending: string): string {
  return readdirSync(`${PAGES}/${page}`)
    .filter((name) => name.endsWith(ending))
    .map((name) => readFileSync(`${PAGES}/${page}/${name}`, "utf8"))
    .join("\n");
}

/** Classes that stand alone in a selector: no class above them says which page is meant. */
function unscoped(css: string): Set<string> {
  const selectors = [...css.replace(/\/\*[\s\S]*?\*\//g, "").matchAll(/([^{};]+)\{/g)].flatMap(([, list = ""]) =>
    list.split(","),
  );
  const alone = selectors.flatMap((selector) => /^\.([\w-]+)$/.exec(selector.trim())?.[1] ?? []);
  return new Set(alone);
}

/** Classes that a page names. */
function named(code: string): Set<string> {
  const texts = [...code.matchAll(/className=\{?[^"`>]*["`]([^"`]*)["`]/g)].map(([, text = ""]) => text);
  return new Set(texts.flatMap((text) => text.split(/\s+/)));
}

test("a rule of one page fits nothing of another", () => {
  const pages = readdirSync(PAGES, { withFileTypes: true }).filter((one) => one.isDirectory());
  const styles = pages.map(({ name }) => ({ name, alone: unscoped(files(name, ".css")) }));
  const leaks = pages.flatMap(({ name }) => {
    const code = files(name, ".tsx");
    const own = named(code);
    return styles
      .filter((style) => style.name !== name && !code.includes(`"../${style.name}/${style.name}.css"`))
      .flatMap((style) =>
        [...style.alone].filter((one) => own.has(one)).map((one) => `${style.name} .${one} in ${name}`),
      );
  });
  expect(leaks).toEqual([]);
});
