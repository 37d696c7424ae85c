// Takes what was mailed: shows that an address is one's own, sets a new password, joins an organisation. The token stands in the
// address after '#', which no server sees, and is taken out of it at once. Nothing is loaded from elsewhere, nothing is kept.

const EMAIL = { name: "email", label: "E-mail address", type: "email", autocomplete: "username", required: "" };
const PASSWORD = { name: "password", label: "Password", type: "password", autocomplete: "current-password", required: "" };
const NEW = { ...PASSWORD, label: "New password, 10 characters at least", autocomplete: "new-password", minlength: "10" };
const CODE = { name: "code", label: "Code of the second factor, if it is on", type: "text", autocomplete: "one-time-code" };
const TOKEN = { name: "token", label: "Token of the mail", type: "text", autocomplete: "off", required: "" };

const PAGES = {
  "verify-email": {
    title: "Is this your address?",
    fields: [],
    button: "Yes, it is mine",
    send: ({ token }) => post("auth/email/verify", { token }),
    done: "Your address is verified.",
  },
  "reset-password": {
    title: "A new password",
    fields: [NEW],
    button: "Set it",
    send: ({ token, password }) => post("auth/password/reset", { token, password }),
    done: "Your password is set, and all sessions have ended. Log in with the new one.",
  },
  join: {
    title: "Join an organisation? Its owners and admins will see your accounts.",
    fields: [EMAIL, PASSWORD, CODE],
    button: "Log in and join",
    send: async ({ token, email, password, code }) => {
      const session = await post("auth/login", { email, password, ...(code ? { code } : {}) });
      try {
        await post("organisations/join", { token }, session.access_token);
      } finally {
        await post("auth/logout", {}, session.access_token);
      }
    },
    done: "You have joined.",
  },
};

/** Asks the API; what it refuses is thrown in its own words. */
async function post(path, body, bearer) {
  const headers = { "Content-Type": "application/json", ...(bearer ? { Authorization: `Bearer ${bearer}` } : {}) };
  const response = await fetch(`api/v1/${path}`, { method: "POST", headers, body: JSON.stringify(body), credentials: "omit" });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error?.message ?? response.statusText);
  return answer.data;
}

/** A field under its label. */
function field({ label, ...attributes }) {
  const element = document.createElement("label");
  const input = document.createElement("input");
  for (const [name, value] of Object.entries(attributes)) input.setAttribute(name, value);
  element.append(label, document.createElement("br"), input, document.createElement("br"));
  return element;
}

const page = PAGES[location.pathname.split("/").pop()];
const token = new URLSearchParams(location.hash.slice(1)).get("token");
history.replaceState(null, "", location.pathname);
document.getElementById("title").textContent = page.title;
const form = document.getElementById("form");
const result = document.getElementById("result");
const button = document.createElement("button");
button.textContent = page.button;
form.append(...(token ? [] : [TOKEN]).map(field), ...page.fields.map(field), button);
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  button.disabled = true;
  result.className = "";
  result.textContent = "…";
  try {
    await page.send({ token, ...Object.fromEntries(new FormData(form)) });
    result.textContent = page.done;
    form.hidden = true;
  } catch (error) {
    result.textContent = error.message;
    result.className = "bad";
    button.disabled = false;
  }
});
