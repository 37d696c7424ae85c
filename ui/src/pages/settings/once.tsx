import { Button } from "../../components/controls";
import { takeFocus, useReturnFocus } from "../../components/focus";
import { tell, tellError } from "../../components/notices";
import { save } from "../../components/save";

interface OnceProps {
  title: string;
  /** Why it must be kept now. */
  about: string;
  lines: readonly string[];
  /** What the file is called that it is kept in. */
  file: string;
  /** It was kept, and is not shown again. */
  onKept: () => void;
}

/** A secret that is told once: it stays until its reader says that it is kept. */
export function Once({ title, about, lines, file, onKept }: OnceProps) {
  useReturnFocus();
  const text = `${lines.join("\n")}\n`;
  // The browser may refuse, which must not pass for a copy: the secret is not shown again.
  const copy = () =>
    navigator.clipboard.writeText(text.trim()).then(
      () => tell("Copied."),
      () => tellError(new Error("The browser did not let it be copied: download it, or copy it by hand.")),
    );
  return (
    <section className="once stack" aria-label={title} aria-live="polite" ref={takeFocus}>
      <strong>{title}</strong>
      <p>{about}</p>
      <ul className={lines.length > 1 ? "once-lines many" : "once-lines"}>
        {lines.map((line) => (
          <li key={line}>
            <code>{line}</code>
          </li>
        ))}
      </ul>
      <div className="row">
        {/* Only pages of a secure context may write to the clipboard. */}
        {navigator.clipboard && <Button onClick={() => void copy()}>Copy</Button>}
        <Button onClick={() => save(file, text, "text/plain")}>Download</Button>
        <Button kind="primary" onClick={onKept}>
          I have kept {lines.length > 1 ? "them" : "it"}
        </Button>
      </div>
    </section>
  );
}
