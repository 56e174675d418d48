// What watching says between the runs' own lines: what changed, what becomes of what is running, and that it waits.
import type { Diagnostic } from '../diagnostics/diagnostic.ts';
import { renderDiagnostic, renderDiagnostics } from '../diagnostics/render.ts';
import { unreachable } from '../support/result.ts';
import type { WatchEvent, WatchProblem } from '../watch/watch-events.ts';
import type { Colours } from './colours.ts';
import { count } from './quantities.ts';

/** Undefined for events that need no line. */
export function watchLine(event: WatchEvent, colours: Colours): string | undefined {
  const { bold, dim, yellow, red } = colours;
  switch (event.type) {
    case 'watch-started':
      return `${bold('watching')} ${event.workflow}`;
    case 'plan-changed': {
      const { warnings = [] } = event;
      const told = warnings.length === 0 ? undefined : warningsText(warnings, colours);
      if (event.files.length === 0) return told; // the beginning
      const parts = [
        ...(event.kept.length === 0 ? [] : [`${few(event.kept)} ${event.kept.length === 1 ? 'goes' : 'go'} on`]),
        ...(event.stopped.length === 0
          ? []
          : [yellow(`${few(event.stopped)} ${event.stopped.length === 1 ? 'is' : 'are'} stopped`)]),
      ];
      const head = changed(event.files, colours, parts.length === 0 ? 'planned again' : parts.join('; '));
      return told === undefined ? head : `${head}\n${told}`;
    }
    case 'plan-unchanged':
      return changed(event.files, colours, dim('nothing changes in the plan'));
    case 'plan-refused': {
      const problems = event.problems.map((problem) => problemText(problem, colours)).join('\n');
      const what = red('not valid');
      const meanwhile = event.running ? 'what runs goes on as planned before' : 'nothing runs until that is put right';
      const head = event.files.length === 0 ? '' : `${changed(event.files, colours, what)}\n`;
      return `${head}${problems}${dim(`${count(event.problems.length, 'problem')}; ${meanwhile}`)}`;
    }
    case 'file-set-aside':
      return `${yellow('set aside')} ${event.file}: it changed right after every restart, as if the stages that read it wrote it; it starts them again once the workflow is edited, or it while nothing runs`;
    case 'watch-hindered':
      return hindered(event, colours);
    case 'watch-waiting':
      return dim(`waiting for changes of ${count(event.files, 'file')}; Ctrl-C ends`);
    case 'watch-ended':
      return undefined;
    default:
      return unreachable(event);
  }
}

const SHOWN = 3;

function changed(files: readonly string[], { bold }: Colours, what: string): string {
  return `${bold(few(files))} changed: ${what}`;
}

/** `a, b, c and 4 more`. */
function few(names: readonly string[]): string {
  const more = names.length - SHOWN;
  return more > 0 ? `${names.slice(0, SHOWN).join(', ')} and ${more} more` : names.join(', ');
}

function problemText(problem: WatchProblem, { red, bold, cyan }: Colours): string {
  if ('code' in problem) return renderDiagnostic(problem, { place: bold, code: red, squiggle: red, help: cyan });
  return `${problem.message}\n${problem.help === undefined ? '' : `  ${cyan('help:')} ${problem.help}\n`}`;
}

/** The warnings as `run` and `plan` print them, without the end of the last line. */
function warningsText(warnings: readonly Diagnostic[], { yellow, bold, cyan }: Colours): string {
  return renderDiagnostics(warnings, { place: bold, code: yellow, squiggle: yellow, help: cyan }).trimEnd();
}

function hindered({ problem, code }: Extract<WatchEvent, { type: 'watch-hindered' }>, { red, cyan }: Colours): string {
  const help =
    code === 'ENOSPC'
      ? 'raise the limit (sysctl fs.inotify.max_user_watches), or watch with --poll'
      : code === 'EMFILE'
        ? 'raise the limit of open files (ulimit -n), or watch with --poll'
        : 'watch with --poll';
  return `${red('cannot watch everything')}: ${problem}\n  ${cyan('help:')} ${help}`;
}
