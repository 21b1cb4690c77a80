// The query box; its editor is loaded when it is needed, and until then it is a plain field.
import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { EditorProps } from "./editor";

let loaded: ComponentType<EditorProps> | null = null;

export function QueryBox(props: EditorProps) {
  const [Editor, setEditor] = useState<ComponentType<EditorProps> | null>(() => loaded);
  useEffect(() => {
    if (Editor) return;
    void import("./editor").then((module) => {
      loaded = module.default;
      setEditor(() => module.default);
    });
  }, []);
  if (Editor) return <Editor {...props} />;
  return (
    <input class="editor mono" aria-label="TraceQL query" value={props.value.text} data-find spellcheck={false}
      onInput={(event) => props.onChange(event.currentTarget.value)}
      onKeyDown={(event) => { if (event.key === "Enter") props.onRun(event.currentTarget.value); }} />
  );
}
