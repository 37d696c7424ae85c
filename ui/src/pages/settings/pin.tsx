import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, take } from "../../api/client";
import { TextField } from "../../components/controls";
import { Form } from "../../components/form";
import { tell } from "../../components/notices";
import { Panel } from "../../components/panel";
import { Loaded } from "../../components/states";
import { useOnboarding } from "../onboarding/state";
import { ConfirmSelf } from "./confirm-self";

const NOTHING = { password: "", code: "" };

export function Pin() {
  return (
    <Loaded query={useOnboarding()}>
      {({ pin }) => (
        <>
          <SetPin isSet={pin} />
          {pin && <Unlock />}
        </>
      )}
    </Loaded>
  );
}

function SetPin({ isSet }: { isSet: boolean }) {
  const client = useQueryClient();
  const [pin, setPin] = useState("");
  const [given, setGiven] = useState(NOTHING);
  return (
    <Panel title={isSet ? "Change the PIN" : "Set a PIN"} actions={isSet && <span className="chip good">✓ Set</span>}>
      <Form
        label="PIN"
        button={isSet ? "Change it" : "Set it"}
        onSubmit={async () => {
          await take(api.PUT("/api/v1/users/me/pin", { body: { pin, password: given.password || null } }));
          setPin("");
          setGiven(NOTHING);
          tell("Your PIN is set.");
          await client.invalidateQueries({ queryKey: ["onboarding"] });
        }}
      >
        {(wrong) => (
          <>
            <p className="muted">It confirms single trades where the house asks for it. Five wrong ones lock it.</p>
            <TextField
              label="New PIN"
              type="password"
              inputMode="numeric"
              autoComplete="off"
              pattern="[0-9]{4,6}"
              maxLength={6}
              required
              hint="Four to six digits."
              value={pin}
              error={wrong("pin")}
              onChange={(event) => setPin(event.target.value.replace(/\D/g, ""))}
            />
            <ConfirmSelf wrong={wrong} {...given} onChange={setGiven} />
          </>
        )}
      </Form>
    </Panel>
  );
}

function Unlock() {
  const [given, setGiven] = useState(NOTHING);
  return (
    <Panel title="Unlock the PIN">
      <Form
        label="Unlock the PIN"
        button="Unlock it"
        onSubmit={async () => {
          await take(api.POST("/api/v1/users/me/pin/unlock", { body: { password: given.password || null } }));
          setGiven(NOTHING);
          tell("Your PIN is good again.");
        }}
      >
        {(wrong) => (
          <>
            <p className="muted">After five wrong tries the PIN is locked until you show your password.</p>
            <ConfirmSelf wrong={wrong} {...given} onChange={setGiven} />
          </>
        )}
      </Form>
    </Panel>
  );
}
