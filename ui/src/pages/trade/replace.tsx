import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { ApiError } from "../../api/error";
import { Button, TextField } from "../../components/controls";
import { Dialog } from "../../components/dialog";
import { saying } from "../../components/states";
import type { Order } from "../../live/account";
import { replace, told } from "./acts";
import { has } from "./ticket-model";

/** New terms of an order that works. */
export function Replace({ order, onClose }: { order: Order; onClose: () => void }) {
  const client = useQueryClient();
  const stopNow = order.stop_price ?? "";
  const [qty, setQty] = useState(order.qty);
  const [limit, setLimit] = useState(order.limit_price ?? "");
  const [stop, setStop] = useState(stopNow);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const wrong = (field: string) => (error instanceof ApiError && error.field === field ? error.message : undefined);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await replace(client, order, {
        ...(qty !== order.qty ? { qty } : {}),
        ...(limit && limit !== order.limit_price ? { limit_price: limit } : {}),
        ...(stop && stop !== stopNow ? { stop_price: stop } : {}),
      });
      onClose();
    } catch (caught) {
      setError(caught);
      setBusy(false);
    }
  };
  const isSame = qty === order.qty && limit === (order.limit_price ?? "") && stop === stopNow;
  return (
    <Dialog title={`Replace: ${told(order)}`} onClose={onClose}>
      <form className="stack" onSubmit={submit}>
        <TextField
          label="Quantity, the executed part included"
          inputMode="decimal"
          className="figures"
          value={qty}
          error={wrong("qty")}
          onChange={(event) => setQty(event.target.value.trim())}
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
          />
        )}
        {!!error && !(error instanceof ApiError && error.field) && (
          <p className="banner danger" role="alert">
            {saying(error)}
          </p>
        )}
        <div className="row">
          <Button type="submit" kind="primary" busy={busy} disabled={isSame}>
            Replace
          </Button>
          <Button onClick={onClose}>Leave it</Button>
        </div>
      </form>
    </Dialog>
  );
}
