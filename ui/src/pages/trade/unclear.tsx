import { Button } from "../../components/controls";
import { saying } from "../../components/states";
import { described } from "./sending";
import type { Sender } from "./use-sender";

/** Says of which order it is not known what became, and offers to send the same again or to give it up. */
export function Unclear({ sender: { now, again, giveUp } }: { sender: Sender }) {
  if (now.state !== "unclear") return null;
  return (
    <div className="stack" role="alert">
      <p className="banner warn">
        It is not known whether the order was taken: {described(now.body)} ({saying(now.error)}). To send it again is
        safe: it counts once.
      </p>
      <div className="row">
        <Button kind="primary" onClick={again}>
          Send the same again
        </Button>
        <Button onClick={giveUp}>I looked at my orders: give it up</Button>
      </div>
    </div>
  );
}
