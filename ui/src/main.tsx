import "./styles/base.css";
import "./components/components.css";
import "./shell/shell.css";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { start } from "./api/session";
// On whatever page somebody signs out, it forgets what that user sent.
import "./pages/trade/open-attempt";
import { App } from "./shell/app";

void start();
const root = document.getElementById("root");
if (!root) throw new Error("index.html has no #root");
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
