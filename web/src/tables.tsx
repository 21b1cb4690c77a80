// Tables that are sorted by a click on a column's title.
import type { ComponentChildren } from "preact";
import { useMemo, useState } from "preact/hooks";
import { useWindow } from "./window";

export interface Column<Row> {
  key: string;
  title: string;
  isNumber?: boolean;
  width?: number; // of a long table, in percent; the browser looks at no row to find it
  sort?: (row: Row) => number | string;
  cell: (row: Row) => ComponentChildren;
}

interface Order {
  key: string;
  isUp: boolean;
}

interface TableProps<Row> {
  rows: Row[];
  columns: Column<Row>[];
  by: string;
  id: (row: Row) => string;
  label: string;
}

function useSorted<Row>({ rows, columns, by }: TableProps<Row>, isUp = false) {
  const [order, setOrder] = useState<Order>({ key: by, isUp });
  const sorted = useMemo(() => {
    const sort = columns.find((one) => one.key === order.key)?.sort;
    if (!sort) return rows;
    const sign = order.isUp ? 1 : -1;
    return rows.map((row) => ({ row, by: sort(row) })).sort((a, b) => compare(a.by, b.by) * sign).map((one) => one.row);
  }, [rows, order]);
  return { sorted, order, setOrder };
}

function compare(a: number | string, b: number | string): number {
  return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
}

function Titles<Row>({ columns, order, onOrder }: { columns: Column<Row>[]; order: Order; onOrder: (order: Order) => void }) {
  return (
    <thead>
      <tr>
        {columns.map(({ key, title, isNumber, sort }) => {
          const sign = order.isUp ? "↑" : "↓";
          const isBy = key === order.key;
          const next = { key, isUp: isBy ? !order.isUp : !isNumber };
          return (
            <th key={key} class={isNumber ? "num" : ""} aria-sort={isBy ? (order.isUp ? "ascending" : "descending") : undefined}>
              {sort ? <button onClick={() => onOrder(next)}>{title}{isBy ? ` ${sign}` : ""}</button> : title}
            </th>
          );
        })}
      </tr>
    </thead>
  );
}

function Cells<Row>({ columns, row }: { columns: Column<Row>[]; row: Row }) {
  return <>{columns.map((one) => <td key={one.key} class={one.isNumber ? "num" : ""}>{one.cell(row)}</td>)}</>;
}

export function SortedTable<Row>(props: TableProps<Row>) {
  const { sorted, order, setOrder } = useSorted(props);
  return (
    <div class="scroll">
      <table aria-label={props.label}>
        <Titles columns={props.columns} order={order} onOrder={setOrder} />
        <tbody>{sorted.map((row) => <tr key={props.id(row)}><Cells columns={props.columns} row={row} /></tr>)}</tbody>
      </table>
    </div>
  );
}

const ROW = 28; // pixels

/** A table of any number of rows, of which those in sight are in the document. A click chooses a row. */
export function LongTable<Row>(props: TableProps<Row> & { chosen: string; onChoose: (row: Row) => void }) {
  const { columns, id, label, chosen, onChoose } = props;
  const { sorted, order, setOrder } = useSorted(props, true);
  const { pane, first, last, onScroll } = useWindow(sorted.length, ROW);
  return (
    <div class="rows long" ref={pane} tabIndex={0} role="group" aria-label={`${label}, scrolled`} onScroll={onScroll}>
      <table aria-label={label} aria-rowcount={sorted.length + 1}>
        <colgroup>{columns.map(({ key, width }) => <col key={key} style={{ width: `${width}%` }} />)}</colgroup>
        <Titles columns={columns} order={order} onOrder={setOrder} />
        <tbody>
          {first > 0 && <tr aria-hidden="true" style={{ height: `${first * ROW}px` }} />}
          {sorted.slice(first, last).map((row, at) => (
            <tr key={id(row)} class={id(row) === chosen ? "on" : ""} aria-rowindex={first + at + 2} aria-current={id(row) === chosen ? "true" : undefined} onClick={() => onChoose(row)}>
              <Cells columns={columns} row={row} />
            </tr>
          ))}
          {last < sorted.length && <tr aria-hidden="true" style={{ height: `${(sorted.length - last) * ROW}px` }} />}
        </tbody>
      </table>
    </div>
  );
}
