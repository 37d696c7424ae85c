import type { Order } from "../../live/account";

/** Orders with those that belong to each right behind it: the legs of a list behind its first, children behind their parent. */
export function inFamilies(rows: Order[]): Order[] {
  const members = new Map<string, Order[]>(rows.map((order) => [order.id, []]));
  const heads = rows.filter((order) => !members.get(order.parent ?? "")?.push(order));
  return heads.flatMap((head) => [head, ...(members.get(head.id) ?? [])]);
}
