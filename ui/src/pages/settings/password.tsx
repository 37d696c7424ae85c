import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, take } from "../../api/client";
import { TextField } from "../../components/controls";
import { Form } from "../../components/form";
import { tell } from "../../components/notices";
import { Panel } from "../../components/panel";
import { useMe } from "../../shell/user";

export function Password() {
  const client = useQueryClient();
  const me = useMe().data;
  const [before, setBefore] = useState("");
  const [next, setNext] = useState("");
  const [again, setAgain] = useState("");
  const differ = again !== "" && again !== next;
  return (
    <Panel title="Change the password">
      <Form
        label="Change the password"
        button="Change it"
        disabled={differ}
        onSubmit={async () => {
          const body = { old_password: before, new_password: next };
          const { ended } = await take(api.POST("/api/v1/auth/password", { body }));
          for (const clear of [setBefore, setNext, setAgain]) clear("");
          tell(
            `Your password is changed; ${ended === 1 ? "one other session has" : `${ended} other sessions have`} ended.`,
          );
          await client.invalidateQueries({ queryKey: ["sessions"] });
        }}
      >
        {(wrong) => (
          <>
            <p className="muted">All your other sessions end. API keys stay.</p>
            {/* For password managers, which file it under the log-in. */}
            <input type="email" autoComplete="username" value={me?.email ?? ""} readOnly hidden />
            <TextField
              label="Password now"
              type="password"
              autoComplete="current-password"
              required
              value={before}
              error={wrong("password") ?? wrong("old_password")}
              onChange={(event) => setBefore(event.target.value)}
            />
            <TextField
              label="New password"
              type="password"
              autoComplete="new-password"
              required
              minLength={10}
              hint="At least 10 characters; a sentence is good."
              value={next}
              error={wrong("new_password")}
              onChange={(event) => setNext(event.target.value)}
            />
            <TextField
              label="The new one again"
              type="password"
              autoComplete="new-password"
              required
              value={again}
              error={differ ? "The two are not the same." : undefined}
              onChange={(event) => setAgain(event.target.value)}
            />
          </>
        )}
      </Form>
    </Panel>
  );
}
