// What a run came to, at its end or looked up later: a table per head, what the gates chose, proofs, where the files are.
import type { ProofSummary } from '../events/job-protocol.ts';
import type { Delivery } from '../execute/deliver-outputs.ts';
import { headTables, type HeadTable } from '../report/head-tables.ts';
import { mergedProfiles, type MergedProfile } from '../report/merged-profiles.ts';
import type { RunReport, StageReport } from '../report/run-report.ts';
import type { Colours } from './colours.ts';
import { changeLines, fileLines, notDeliveredLines } from './delivery-text.ts';
import { attemptsWords, failureWords } from './failure-words.ts';
import { chosenWords, decidingLines, evidenceWords, lapsedWords } from './gate-words.ts';
import { outcomeWords } from './outcome-words.ts';
import { count, duration, metricValue } from './quantities.ts';
import { renderTable } from './tables.ts';

export function runSummary(report: RunReport, delivery: Delivery, colours: Colours): string {
  const sections = [
    ...headTables(report).map((table) => headSection(table, colours)),
    section('Profiles', profileLines(report, colours), colours),
    section('Gates', gateLines(report, colours), colours),
    section('Proofs', proofLines(report, colours), colours),
    section('Warnings', warningLines(report, colours), colours),
    section('Failed', [...failureLines(report, colours), ...notStartedLines(report, colours)], colours),
    section('Files', fileLines(delivery, colours), colours),
    section('Not delivered', notDeliveredLines(delivery), colours),
    section('Put right', changeLines(delivery), colours),
    countsLine(report, colours),
    stopSection(report, colours),
  ];
  return `${sections.filter((text) => text !== undefined).join('\n\n')}\n`;
}

/** `12 ran, 30 cached, 4 not taken in 3 min 20 s`. */
export function countsLine(report: RunReport, { bold, dim }: Colours): string {
  const number = (...states: readonly StageReport['state'][]): number =>
    report.stages.filter(({ state }) => states.includes(state)).length;
  const parts = [
    `${number('succeeded')} ran`,
    `${number('cached')} cached`,
    `${number('not-taken')} not taken`,
    ...[
      ['failed', number('failed', 'timed-out')] as const,
      ['blocked', number('blocked')] as const,
      ['cancelled', number('cancelled')] as const,
      ['not started', number('pending')] as const,
    ].flatMap(([word, n]) => (n > 0 ? [`${n} ${word}`] : [])),
  ];
  const time = report.finished === undefined ? '' : ` in ${duration(report.finished.milliseconds)}`;
  const kept = report.options['keepGoing'] === true ? ', --keep-going' : '';
  const again = report.finished?.outcome === 'interrupted' ? '\n`headgate resume` goes on with it' : '';
  return `${bold(outcomeWord(report))}: ${parts.join(', ')}${time} ${dim(`(run ${report.run}${kept})`)}${again}`;
}

/** `Succeeded`, or `Succeeded, short: detection` where a gate let something on that is below what was asked. */
function outcomeWord(report: RunReport): string {
  const words = outcomeWords(report) ?? 'unfinished';
  return `${words[0]?.toUpperCase() ?? ''}${words.slice(1)}`;
}

function headSection({ task, metrics, rows }: HeadTable, { bold }: Colours): string {
  // The ratio of an error is turned round, so that 100 is as good as float either way.
  const lower = rows.some(({ facts }) => facts.higherIsBetter[facts.primary] === false);
  const table = renderTable(
    [
      { title: bold(task), align: 'left' },
      ...metrics.map((title) => ({ title, align: 'right' as const })),
      { title: lower ? 'float / own, %' : '% of float', align: 'right' },
    ],
    rows.map(({ role, facts, percentOfFloat }) => [
      roleWords(role),
      ...metrics.map((name) => {
        const value = facts.values[name];
        return value === undefined ? '' : metricValue(value, facts.units[name]);
      }),
      percentOfFloat === undefined ? '' : percentOfFloat.toFixed(2),
    ]),
  );
  return table;
}

const ROLE_WORDS: { readonly [role: string]: string } = {
  'float-longer': 'float, trained longer',
  'backbone-quantised': 'float head, quantised backbone',
  finetuned: 'finetuned head, quantised backbone',
  qat: 'QAT',
  integer: 'integer runtime',
};

function roleWords(role: string): string {
  const report = role.startsWith('report-');
  const own = report ? role.slice('report-'.length) : role;
  return `${report ? 'report split: ' : ''}${ROLE_WORDS[own] ?? own}`;
}

/** Nothing where every scope has the same and none was looked for. */
function profileLines(report: RunReport, { bold }: Colours): readonly string[] {
  const profiles = mergedProfiles(report);
  const alike = new Set(profiles.map(({ profile }) => profile)).size < 2;
  if (alike && profiles.every(({ tried }) => tried === undefined)) return [];
  return profiles.map(({ scope, profile, tried }) => `${scope}: ${bold(profile)}${triedWords(tried)}`);
}

function triedWords(tried: MergedProfile['tried']): string {
  if (tried === undefined) return '';
  const { count: number, end } = tried;
  if (end === 'done') return `, which passes (${number} tried)`;
  const spent = end === 'spent' ? ', and the time budget is spent' : '';
  return number === 1
    ? `, the only one tried: it does not pass${spent}`
    : `, the best of ${number} tried: none passes${spent}`;
}

function gateLines(report: RunReport, { bold, dim }: Colours): readonly string[] {
  return report.stages.flatMap(({ id, chosen, verdict, state, lapsed }) => {
    if (verdict === undefined || chosen === undefined || state === 'not-taken') return [];
    const lines = decidingLines(verdict).map((line) => `  ${dim(evidenceWords(line))}`);
    const note = lapsed === undefined ? [] : [`  ${dim(lapsedWords(lapsed))}`];
    return [`${id} → ${bold(chosenWords(verdict))}`, ...lines, ...note];
  });
}

function proofLines(report: RunReport, { red, dim }: Colours): readonly string[] {
  const proofs = report.stages.flatMap((stage) => stage.facts.proofs.map((proof) => ({ stage: stage.id, proof })));
  const names = [...new Set(proofs.map(({ proof }) => proof.name))];
  return names.flatMap((name) => {
    const own = proofs.filter(({ proof }) => proof.name === name);
    const held = own.filter(({ proof }) => proof.held).length;
    return [
      `${name}: ${held} of ${own.length} held`,
      ...own.map(
        ({ stage, proof }) => `  ${proof.held ? '' : `${red('broken')} `}${dim(`${stage}: ${proofText(proof)}`)}`,
      ),
    ];
  });
}

function proofText({ text }: ProofSummary): string {
  return text.replaceAll('\n', ' ');
}

function warningLines(report: RunReport, { yellow }: Colours): readonly string[] {
  return report.stages.flatMap(({ id, notes }) =>
    notes.filter(({ level }) => level === 'warning').map(({ text }) => `${yellow(id)}: ${text}`),
  );
}

function failureLines(report: RunReport, { red, dim }: Colours): readonly string[] {
  return report.stages.flatMap((stage) => {
    const { id, state, failure } = stage;
    if (failure === undefined || (state !== 'failed' && state !== 'timed-out')) return [];
    const { message, help } = failureWords(failure);
    const tried = attemptsWords(stage);
    const blocked = report.stages.filter((other) => other.state === 'blocked' && other.by === id).length;
    return [
      `${red(id)}: ${message}`,
      ...(tried === undefined ? [] : [dim(`  ${tried}`)]),
      ...(help === undefined ? [] : [dim(`  help: ${help}`)]),
      ...(blocked === 0 ? [] : [dim(`  ${count(blocked, 'stage')} could not start without it`)]),
    ];
  });
}

/** What a failure kept from starting although it does not depend on it. */
function notStartedLines(report: RunReport, { dim }: Colours): readonly string[] {
  if (report.finished?.outcome !== 'failed') return [];
  const pending = report.stages.filter(({ state }) => state === 'pending').length;
  if (pending === 0) return [];
  return [
    dim(`${count(pending, 'stage')} not started after the failure; --keep-going runs what does not depend on it`),
  ];
}

/** The reason of a stop is the last thing printed, with the numbers of the gate that led there. */
function stopSection(report: RunReport, { red }: Colours): string | undefined {
  if (report.stopped === undefined) return undefined;
  const { stage, reason } = report.stopped;
  const evidence = report.stopped.gates.flatMap((id) => {
    const verdict = report.stages.find((candidate) => candidate.id === id)?.verdict;
    return verdict === undefined ? [] : decidingLines(verdict).map((line) => `  ${evidenceWords(line)}`);
  });
  return [`${red(`Stopped by ${stage}`)}`, ...evidence, reason].join('\n');
}

function section(title: string, lines: readonly string[], { bold }: Colours): string | undefined {
  return lines.length === 0 ? undefined : [bold(title), ...lines.map((line) => `  ${line}`)].join('\n');
}
