import { useQueryClient } from "@tanstack/react-query";
import { type KeyboardEvent, useState } from "react";
import { Button, TextField } from "../../components/controls";
import { Dialog } from "../../components/dialog";
import { Form } from "../../components/form";
import { isDecimal } from "../../format/number";
import { stepped, steppedQty } from "../../format/price";
import { type Order, told } from "../../live/account";
import { useInstrument } from "../../shell/user";
import { replace } from "./acts";
import { stepping } from "./fields";
import { has } from "./ticket-model";

/** New terms of an order that works. */
export function Replace({ order, onClose }: { order: Order; onClose: () => void }) {
  const client = useQueryClient();
  const stopNow = order.stop_price ?? "";
  const [qty, setQty] = useState(order.qty);
  const [limit, setLimit] = useState(order.limit_price ?? "");
  const [stop, setStop] = useState(stopNow);
  const submit = async () => {
    await replace(client, order, {
      ...(qty !== order.qty ? { qty } : {}),
      ...(limit && limit !== order.limit_price ? { limit_price: limit } : {}),
      ...(stop && stop !== stopNow ? { stop_price: stop } : {}),
    });
    onClose();
  };
  const instrument = useInstrument(order.symbol);
  const stepsPrice = (price: string, set: (price: string) => void) => (event: KeyboardEvent) =>
    instrument && isDecimal(price) && stepping(event, (steps) => set(stepped(instrument, price, steps)));
  const isSame = qty === order.qty && limit === (order.limit_price ?? "") && stop === stopNow;
  return (
    <Dialog title={`Replace: ${told(order)}`} onClose={onClose}>
      <Form
        label="New terms"
        button="Replace"
        disabled={isSame}
        onSubmit={submit}
        beside={<Button onClick={onClose}>Leave it</Button>}
      >
        {(wrong) => (
          <>
            <TextField
              label="Quantity, the executed part included"
              inputMode="decimal"
              className="figures"
              value={qty}
              error={wrong("qty")}
              onChange={(event) => setQty(event.target.value.trim())}
              onKeyDown={(event) =>
                instrument && stepping(event, (steps) => setQty(steppedQty(instrument.order_lot, qty, steps)))
              }
            />
            {order.limit_price && (
              <TextField
                label="Limit price"
                inputMode="decimal"
                className="figures"
                autoFocus
                value={limit}
                error={wrong("limit_price")}
                onChange={(event) => setLimit(event.target.value.trim())}
                onKeyDown={stepsPrice(limit, setLimit)}
              />
            )}
            {order.type && has(order.type, "stop") && (
              <TextField
                label="Stop price"
                inputMode="decimal"
                className="figures"
                hint={stopNow ? undefined : "Empty: it stays as it is."}
                value={stop}
                error={wrong("stop_price")}
                onChange={(event) => setStop(event.target.value.trim())}
                onKeyDown={stepsPrice(stop, setStop)}
              />
            )}
          </>
        )}
      </Form>
    </Dialog>
  );
}
