import { Button } from "../../components/controls";
import { tell } from "../../components/notices";

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
  const text = `${lines.join("\n")}\n`;
  const download = () => {
    const url = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
    Object.assign(document.createElement("a"), { href: url, download: file }).click();
    URL.revokeObjectURL(url);
  };
  return (
    <section className="once stack" aria-label={title}>
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
        {navigator.clipboard && (
          <Button onClick={() => void navigator.clipboard.writeText(text.trim()).then(() => tell("Copied."))}>
            Copy
          </Button>
        )}
        <Button onClick={download}>Download</Button>
        <Button kind="primary" onClick={onKept}>
          I have kept {lines.length > 1 ? "them" : "it"}
        </Button>
      </div>
    </section>
  );
}
