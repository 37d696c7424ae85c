import {
  type ColumnDef,
  createSortedRowModel,
  FlexRender,
  rowSortingFeature,
  tableFeatures,
  useTable,
} from "@tanstack/react-table";
import { useVirtualizer } from "@tanstack/react-virtual";
import { type KeyboardEvent, type ReactNode, useLayoutEffect, useMemo, useRef } from "react";
import { compare, isDecimal } from "../format/number";
import { returnFocus } from "./focus";

export interface Column<T> {
  id: string;
  title: ReactNode;
  /** What it is sorted by: decimal text counts as a number. Absent: not sorted by it. */
  value?: (row: T) => string | number | null | undefined;
  cell: (row: T) => ReactNode;
  /** A number: set in figures, at the end of its cell. */
  figure?: boolean;
}

interface GridProps<T> {
  /** What the grid shows, to those who listen. */
  label: string;
  rows: T[];
  columns: Column<T>[];
  rowKey: (row: T) => string;
  /** When a row is clicked, or Enter is pressed on it. */
  onOpen?: (row: T) => void;
  /** Whether long cells have more than one line. */
  wraps?: boolean;
  empty?: ReactNode;
}

/** Rows drawn beyond what is seen. */
const OVERSCAN = 8;

function order(a: unknown, b: unknown): number {
  if (a === b) return 0;
  if (a === null || a === undefined || a === "") return 1;
  if (b === null || b === undefined || b === "") return -1;
  if (typeof a === "number" && typeof b === "number") return a - b;
  const [left, right] = [String(a), String(b)];
  return isDecimal(left) && isDecimal(right) ? compare(left, right) : left.localeCompare(right);
}

const features = tableFeatures({
  rowSortingFeature,
  sortedRowModel: createSortedRowModel(),
  sortFns: { natural: (a, b, column) => order(a.getValue(column), b.getValue(column)) },
});

/** A table of any length: it sorts by its heads and draws only the rows that are seen. */
export function Grid<T extends object>({ label, rows, columns, rowKey, onOpen, wraps, empty }: GridProps<T>) {
  const scroller = useRef<HTMLDivElement>(null);
  const definitions = useMemo(
    () =>
      columns.map(
        (column): ColumnDef<typeof features, T> => ({
          id: column.id,
          header: () => column.title,
          cell: (context) => column.cell(context.row.original),
          ...(column.value
            ? { accessorFn: column.value, sortFn: "natural" as const, enableSorting: true }
            : { enableSorting: false }),
        }),
      ),
    [columns],
  );
  const table = useTable({ features, columns: definitions, data: rows, getRowId: rowKey });
  const all = table.getRowModel().rows;
  const virtual = useVirtualizer({
    count: all.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => (matchMedia("(pointer: coarse)").matches ? 34 : 26),
    overscan: OVERSCAN,
    initialRect: { width: 800, height: 400 },
  });
  const shown = virtual.getVirtualItems();
  const before = shown[0]?.start ?? 0;
  const after = virtual.getTotalSize() - (shown.at(-1)?.end ?? 0);
  const figure = (id: string) => (columns.find((column) => column.id === id)?.figure ? "figure" : undefined);
  const move = (event: KeyboardEvent<HTMLTableRowElement>, row: T) => {
    const way =
      event.key === "ArrowDown" ? "nextElementSibling" : event.key === "ArrowUp" ? "previousElementSibling" : null;
    if (way) {
      event.preventDefault();
      (event.currentTarget[way] as HTMLElement | null)?.focus();
    } else if (event.key === "Enter" && event.target === event.currentTarget) {
      onOpen?.(row);
    }
  };
  // What is told live may take away the row that has the focus. The one at its place has it then, but none of its buttons: Enter,
  // pressed a moment later, must not act on another row than the one that was meant.
  const focused = useRef<HTMLTableRowElement | null>(null);
  useLayoutEffect(() => {
    const lost = focused.current;
    if (!lost || lost.isConnected) return;
    focused.current = null;
    const place = Number(lost.getAttribute("aria-rowindex"));
    const at = (index: number) =>
      scroller.current?.querySelector<HTMLElement>(`tr[aria-rowindex="${index}"][tabindex]`);
    returnFocus(at(place) ?? at(place - 1) ?? scroller.current);
  });

  if (rows.length === 0 && empty) return empty;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard
    <section className="grid-scroll" ref={scroller} tabIndex={0} aria-label={label}>
      <table className={wraps ? "grid wraps" : "grid"} aria-rowcount={all.length + 1}>
        <thead>
          {table.getHeaderGroups().map((group) => (
            <tr key={group.id}>
              {group.headers.map((header) => {
                const sorted = header.column.getIsSorted();
                return (
                  <th
                    key={header.id}
                    scope="col"
                    className={figure(header.column.id)}
                    aria-sort={sorted === "asc" ? "ascending" : sorted === "desc" ? "descending" : undefined}
                  >
                    {header.column.getCanSort() ? (
                      <button type="button" onClick={header.column.getToggleSortingHandler()}>
                        <FlexRender header={header} />
                        <span aria-hidden="true">{sorted === "asc" ? " ↑" : sorted === "desc" ? " ↓" : ""}</span>
                      </button>
                    ) : (
                      <FlexRender header={header} />
                    )}
                  </th>
                );
              })}
            </tr>
          ))}
        </thead>
        <tbody>
          {before > 0 && <tr style={{ height: before }} />}
          {shown.map((item) => {
            const row = all[item.index];
            if (!row) return null;
            return (
              <tr
                key={row.id}
                // How high a row with more than one line is, is known once it is drawn.
                ref={wraps ? virtual.measureElement : undefined}
                data-index={item.index}
                aria-rowindex={item.index + 2}
                tabIndex={onOpen ? 0 : undefined}
                onFocus={(event) => {
                  focused.current = event.currentTarget;
                }}
                onBlur={() => {
                  focused.current = null;
                }}
                onKeyDown={(event) => move(event, row.original)}
                onClick={
                  onOpen &&
                  ((event) => {
                    if (!(event.target as Element).closest("button, a, input")) onOpen(row.original);
                  })
                }
              >
                {row.getAllCells().map((cell) => (
                  <td key={cell.id} className={figure(cell.column.id)}>
                    <FlexRender cell={cell} />
                  </td>
                ))}
              </tr>
            );
          })}
          {after > 0 && <tr style={{ height: after }} />}
        </tbody>
      </table>
    </section>
  );
}
