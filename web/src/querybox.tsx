// The query box; its editor is loaded when it is needed, and until then it is a plain field.
import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { EditorProps, Given } from "./editor";

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
  const [typed, setTyped] = useState<Given | null>(null); // before the editor was there
  useEffect(() => setTyped(null), [props.value]);
  const value = typed ?? props.value;
  if (Editor) return <Editor {...props} value={value} />;
  return (
    <input class="editor mono" aria-label="TraceQL query" value={value.text} data-find spellcheck={false}
      onInput={(event) => { setTyped({ text: event.currentTarget.value }); props.onChange(event.currentTarget.value); }}
      onKeyDown={(event) => { if (event.key === "Enter") props.onRun(event.currentTarget.value); }} />
  );
}
