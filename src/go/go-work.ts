import {
  checkGodebug,
  type Directive,
  directivesOf,
  type Replacement,
  takeGoVersion,
  takeReplacement,
  takeString,
  takeToolchain,
} from "./go-mod.ts";
import { quoted } from "./malformed.ts";

/** What a go.work file says. */
export interface GoWork {
  readonly go: string | undefined;
  readonly toolchain: string | undefined;
  /** Folders of modules, relative to the file unless rooted. */
  readonly use: readonly { readonly path: string; readonly line: number }[];
  readonly replace: readonly Replacement[];
}

const BLOCKS: ReadonlySet<string> = new Set(["use", "replace", "godebug"]);

interface Draft {
  go: string | undefined;
  toolchain: string | undefined;
  readonly use: { path: string; line: number }[];
  readonly replace: Replacement[];
}

/**
 * Parses a go.work file (golang.org/x/mod/modfile; https://go.dev/ref/mod#go-work-file). `file` is for messages.
 *
 * @throws ProofdnsError `MALFORMED_INPUT` with file and line
 */
export function parseGoWork(text: string, file: string): GoWork {
  const draft: Draft = { go: undefined, toolchain: undefined, use: [], replace: [] };
  for (const directive of directivesOf(text, file, BLOCKS, true)) add(draft, directive);
  return draft;
}

function add(draft: Draft, directive: Directive): void {
  const { verb, args, syntax, refuse } = directive;
  switch (verb) {
    case "go":
      if (draft.go !== undefined) refuse("a second go directive");
      draft.go = takeGoVersion(directive, true);
      return;
    case "toolchain":
      if (draft.toolchain !== undefined) refuse("a second toolchain directive");
      draft.toolchain = takeToolchain(directive);
      return;
    case "use":
      if (args.length !== 1) refuse("expected: use ./folder");
      draft.use.push({ path: takeString(directive, 0), line: syntax.line });
      return;
    case "replace":
      draft.replace.push(takeReplacement(directive));
      return;
    case "godebug":
      checkGodebug(directive);
      return;
    default:
      refuse(`unknown directive ${quoted(verb)}; it may need a newer version of this program`);
  }
}
