import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { useState } from "react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ApiError } from "../api/error";
import { allowDialogs } from "../pages/testing";
import { Button, TextField } from "./controls";
import { Dialog } from "./dialog";
import { words } from "./figures";
import { Form, type Wrong } from "./form";
import { type Column, Grid } from "./grid";

beforeEach(() => {
  allowDialogs();
  vi.stubGlobal("matchMedia", () => ({ matches: false }));
});
afterEach(() => {
  cleanup();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

test("a busy button keeps the focus and does nothing", () => {
  const act = vi.fn();
  const { rerender } = render(<Button onClick={act}>Send</Button>);
  const button = screen.getByRole("button");
  button.focus();
  rerender(
    <Button onClick={act} busy>
      Send
    </Button>,
  );
  fireEvent.click(button);
  expect(act).not.toHaveBeenCalled();
  expect(document.activeElement).toBe(button);
  expect(button.getAttribute("aria-disabled")).toBe("true");
});

function Opener({ staysThere }: { staysThere: boolean }) {
  const [open, setOpen] = useState(false);
  const [wasOpened, setOpened] = useState(false);
  const begin = () => {
    setOpen(true);
    setOpened(true);
  };
  return (
    <main>
      <h1>Page</h1>
      {(staysThere || !wasOpened) && <Button onClick={begin}>Open</Button>}
      {open && (
        <Dialog title="Asked" onClose={() => setOpen(false)}>
          <TextField label="Name" />
        </Dialog>
      )}
    </main>
  );
}

test.each([
  [true, "Open"],
  [false, "Page"],
])("a dialog gives the focus back (its opener stays: %s)", async (staysThere, text) => {
  render(<Opener staysThere={staysThere} />);
  await userEvent.click(screen.getByRole("button", { name: "Open" }));
  expect(document.activeElement).toBe(screen.getByLabelText("Name"));
  await userEvent.click(screen.getByRole("button", { name: "Close" }));
  expect(document.activeElement?.textContent).toBe(text);
});

const COLUMNS: Column<{ id: string }>[] = [{ id: "id", title: "Name", cell: (row) => row.id }];
const grid = (ids: string[]) => (
  <Grid label="Rows" rows={ids.map((id) => ({ id }))} columns={COLUMNS} rowKey={(row) => row.id} onOpen={() => {}} />
);

test("the row that takes the place of a focused one takes its focus", () => {
  // jsdom lays nothing out: the rows that would be seen are as many as the height that it is told lets in.
  vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(400);
  vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockReturnValue(800);
  const { rerender } = render(grid(["a", "b", "c"]));
  screen.getByRole("row", { name: "b" }).focus();
  rerender(grid(["a", "c"]));
  expect(document.activeElement?.textContent).toBe("c");
  rerender(grid(["a"]));
  expect(document.activeElement?.textContent).toBe("a");
  rerender(grid([]));
  expect(document.activeElement).toBe(screen.getByRole("region", { name: "Rows" }));
});

function Code({ wrong }: { wrong: Wrong }) {
  return <TextField label="Code" error={wrong("code")} />;
}

test("an error is said once, though its field is drawn by a component within the form", async () => {
  const refuse = () => Promise.reject(new ApiError("invalid", "It is not the code.", { field: "code" }));
  render(
    <Form label="Form" button="Send" onSubmit={refuse}>
      {(wrong) => <Code wrong={wrong} />}
    </Form>,
  );
  await userEvent.click(screen.getByRole("button"));
  expect(await screen.findAllByRole("alert")).toHaveLength(1);
});

test("abbreviations are not made words", () => {
  expect(["gtc", "day", "partially_filled"].map(words)).toEqual(["GTC", "Day", "Partially filled"]);
});
