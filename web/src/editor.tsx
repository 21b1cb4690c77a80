// The query box: TraceQL with highlighting, completion from what is stored, and errors underlined where they are.
import { autocompletion, closeBrackets, closeBracketsKeymap, type CompletionContext, type CompletionResult } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { HighlightStyle, LRLanguage, LanguageSupport, bracketMatching, syntaxHighlighting } from "@codemirror/language";
import { linter, type Diagnostic } from "@codemirror/lint";
import { EditorState, Prec } from "@codemirror/state";
import { EditorView, keymap, placeholder } from "@codemirror/view";
import { parser } from "@grafana/lezer-traceql";
import { styleTags, tags } from "@lezer/highlight";
import { useEffect, useRef } from "preact/hooks";
import { ApiError } from "./api";
import { checkQuery } from "./checking";
import { fieldNames, fieldValues } from "./fields";
import type { Range } from "./range";
import { errorPlace } from "./traceql";

const styles = styleTags({
  String: tags.string,
  "Integer Float Duration": tags.number,
  "IntrinsicField AttributeField Identifier": tags.propertyName,
  "FieldOp Pipe And Or Gt Lt Desc Anc": tags.operator,
  "LineComment BlockComment": tags.comment,
});

const language = new LanguageSupport(LRLanguage.define({ parser: parser.configure({ props: [styles] }), languageData: { closeBrackets: { brackets: ["(", "{", '"'] } } }));

const colors = HighlightStyle.define([
  { tag: tags.string, color: "var(--ok)" },
  { tag: tags.number, color: "var(--warn)" },
  { tag: tags.operator, color: "var(--muted)" },
  { tag: tags.propertyName, color: "var(--accent)" },
  { tag: tags.comment, color: "var(--muted)", fontStyle: "italic" },
]);

const look = EditorView.theme({
  "&": { fontSize: "13.5px", backgroundColor: "transparent", color: "var(--text)" },
  "&.cm-focused": { outline: "none" },
  ".cm-content": { fontFamily: "var(--mono)", padding: "6px 0", caretColor: "var(--text)" },
  ".cm-line": { padding: "0 8px" },
  ".cm-cursor": { borderLeftColor: "var(--text)" },
  ".cm-selectionBackground, &.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground": { background: "var(--accent-soft)" },
  ".cm-placeholder": { color: "var(--muted)" },
  ".cm-matchingBracket": { background: "var(--accent-soft)", outline: "none" },
  ".cm-tooltip": { background: "var(--panel)", color: "var(--text)", border: "1px solid var(--line)", borderRadius: "5px", zIndex: "30" },
  ".cm-tooltip-autocomplete ul li": { fontFamily: "var(--mono)", padding: "2px 8px !important" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": { background: "var(--accent-soft) !important", color: "var(--text) !important" },
  ".cm-completionDetail": { color: "var(--muted)", fontStyle: "normal", float: "right", paddingLeft: "14px" },
  ".cm-diagnostic": { fontSize: "12.5px", padding: "4px 8px" },
  ".cm-gutters": { background: "transparent", border: "0" },
});

const FUNCTIONS = [
  "rate()", "count_over_time()", "quantile_over_time(duration, .95)", "histogram_over_time(duration)", "avg_over_time(duration)",
  "max_over_time(duration)", "min_over_time(duration)", "sum_over_time(duration)", "compare({ status = error })", "select(span.http.route)",
  "count() > 1", "avg(duration) > 1s", "max(duration) > 1s", "min(duration) > 1s", "sum(duration) > 1s", "by(resource.service.name)", "coalesce()",
  "topk(10)", "bottomk(10)",
];
const WORDS: Record<string, string[]> = {
  status: ["error", "ok", "unset"],
  kind: ["server", "client", "internal", "producer", "consumer", "unspecified"],
};

// One character at a time: repetition within repetition would take for ever on a long name.
const VALUE = /((?:[\w.:\-/]|"(?:[^"\\]|\\.)*")+)\s*(=~|!~|!=|>=|<=|=|>|<)\s*("?[^"{}|&()]*)$/;

async function complete(context: CompletionContext, range: Range): Promise<CompletionResult | null> {
  const before = context.state.sliceDoc(Math.max(0, context.pos - 400), context.pos);
  const opened = before.lastIndexOf("{") > before.lastIndexOf("}");
  const value = VALUE.exec(before);
  if (opened && value) return valuesFor(context, value[1] ?? "", value[3] ?? "", range);
  const word = context.matchBefore(/[\w.:"]*/);
  const from = word?.from ?? context.pos;
  const inCall = /\b(by|select|_over_time)\s*\([^)]*$/.test(before);
  if (opened || inCall) {
    if (!context.explicit && !word?.text && !/[{(,&|]\s*$/.test(before)) return null;
    const names = await fieldNames(range);
    return { from, validFor: /^[\w.:"\-/]*$/, options: names.map(({ label, scope }) => ({ label, detail: scope, boost: scope === "intrinsic" ? 1 : 0 })) };
  }
  if (/\|\s*\w*$/.test(before)) return { from, validFor: /^\w*$/, options: FUNCTIONS.map((label) => ({ label, type: "function" })) };
  if (context.explicit || !before.trim()) {
    return { from, options: [{ label: "{ }" }, { label: "{ status = error }" }, { label: "{ } | rate() by (resource.service.name)" }] };
  }
  return null;
}

async function valuesFor(context: CompletionContext, field: string, typed: string, range: Range): Promise<CompletionResult | null> {
  const from = context.pos - typed.length;
  const words = WORDS[field.replace(/^span:/, "")] ?? (await fieldValues(field, range));
  return { from, validFor: /^"?[^"{}|&()]*$/, options: words.map((label) => ({ label })) };
}

async function check(text: string): Promise<Diagnostic[]> {
  if (!text.trim()) return [];
  try {
    await checkQuery(text);
    return [];
  } catch (error) {
    return error instanceof ApiError && error.status === 400 ? [diagnosed(text, error.message)] : [];
  }
}

function diagnosed(text: string, message: string): Diagnostic {
  const place = errorPlace(message);
  const lines = text.split("\n");
  const start = place ? lines.slice(0, place.line).reduce((sum, line) => sum + line.length + 1, 0) + place.column : 0;
  const at = Math.min(Math.max(start, 0), text.length);
  const word = /^[\w.:"]+|^./.exec(text.slice(at))?.[0].length ?? 0;
  const from = word ? at : Math.max(0, at - 1);
  return { from, to: word ? at + word : text.length, severity: "error", message: message.replace(/^.*?column \d+: /, "") };
}

export interface Given {
  text: string;
}

export interface EditorProps {
  /** The text that is put into the box when it changes; what is typed since then is told by `onChange` alone. */
  value: Given;
  range: Range;
  onChange: (text: string) => void;
  onRun: (text: string) => void;
}

export default function Editor(props: EditorProps) {
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const latest = useRef(props);
  latest.current = props;
  useEffect(() => {
    if (!host.current) return;
    // Styles that CodeMirror adds to the document would break the Content-Security-Policy; a shadow root adopts them.
    const root = host.current.shadowRoot ?? host.current.attachShadow({ mode: "open" });
    const mount = document.createElement("div");
    root.replaceChildren(mount);
    const run = (editor: EditorView) => { latest.current.onRun(editor.state.doc.toString()); return true; };
    const made = new EditorView({
      parent: mount,
      root,
      state: EditorState.create({
        doc: latest.current.value.text,
        extensions: [
          Prec.highest(keymap.of([{ key: "Mod-Enter", run }])),
          Prec.high(keymap.of([{ key: "Enter", run }, { key: "Shift-Enter", run: (editor) => { editor.dispatch(editor.state.replaceSelection("\n")); return true; } }])),
          keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...historyKeymap]),
          history(),
          closeBrackets(),
          bracketMatching(),
          language,
          syntaxHighlighting(colors),
          look,
          placeholder("TraceQL, such as { status = error && duration > 100ms }"),
          autocompletion({ override: [(context) => complete(context, latest.current.range)], icons: false, activateOnTyping: true }),
          linter((editor) => check(editor.state.doc.toString()), { delay: 450 }),
          EditorView.lineWrapping,
          EditorView.contentAttributes.of({ "aria-label": "TraceQL query", spellcheck: "false", autocapitalize: "off" }),
          EditorView.updateListener.of((update) => { if (update.docChanged) latest.current.onChange(update.state.doc.toString()); }),
        ],
      }),
    });
    view.current = made;
    return () => made.destroy();
  }, []);
  useEffect(() => {
    const editor = view.current;
    if (!editor || editor.state.doc.toString() === props.value.text) return;
    editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: props.value.text } });
  }, [props.value]);
  return <div class="editor" ref={host} data-find tabIndex={-1} onFocus={() => view.current?.focus()} />;
}

