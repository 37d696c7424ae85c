import { describe, expect, it } from "vitest";
import { cell, csv } from "./csv";

describe("cell", () => {
  it.each([
    ["=1+1", "'=1+1"],
    ["+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"],
    ["-2+3", "'-2+3"],
    ["@SUM(A1)", "'@SUM(A1)"],
    ["\t=1", "'\t=1"],
    ['=HYPERLINK("x","y")', '"\'=HYPERLINK(""x"",""y"")"'],
    ["-", "'-"],
  ])("makes %j text", (given, written) => {
    expect(cell(given)).toBe(written);
  });

  it.each(["-12.50", "+3", "0", "TIDE", "a=b", "10:00"])("leaves %j as it is", (given) => {
    expect(cell(given)).toBe(given);
  });

  it("quotes what has commas, quotes or lines, and what begins or ends with a space", () => {
    expect(cell('say "no", twice')).toBe('"say ""no"", twice"');
    expect(cell("a\nb")).toBe('"a\nb"');
    expect(cell(" =1")).toBe('" =1"');
    expect(cell(null)).toBe("");
    expect(cell(7)).toBe("7");
  });
});

describe("csv", () => {
  it("ends every line as the standard says", () => {
    expect(csv(["a", "b"], [["1", null]])).toBe("a,b\r\n1,\r\n");
  });
});
