// A figure's result as markdown: the same text on the terminal and on the page.

export function figureText(record) {
  const { number, title, target, met, headline, tables, notes = [], loses = [], versions = {} } = record;
  const lines = [
    `## ${number}. ${title}`,
    '',
    `- Target: ${target}`,
    `- Result: ${headline} **${met === null ? 'Not measured.' : met ? 'Met.' : 'Not met.'}**`,
    `- Made by \`${record.command}\` on ${record.date.slice(0, 16).replace('T', ' ')} UTC, ${record.machine}, in ${record.minutes} min; load ${record.load.join(' ')} before, ${record.loadAfter.join(' ')} after; headgate ${record.headgate}, Node ${record.node}.`,
    '',
  ];
  for (const { caption, columns, rows } of tables) {
    if (caption !== undefined) lines.push(`${caption}:`, '');
    lines.push(tableRow(columns), tableRow(columns.map(() => '---')), ...rows.map(tableRow), '');
  }
  if (Object.keys(versions).length > 0) {
    const named = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
    lines.push(`Versions: ${named.join(', ')}.`, '');
  }
  for (const note of notes) lines.push(`- ${note}`);
  if (notes.length > 0) lines.push('');
  if (loses.length > 0) lines.push(`Where headgate loses: ${loses.join('; ')}.`, '');
  return lines.join('\n');
}

export function tableRow(cells) {
  return `| ${cells.map((cell) => String(cell).replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;
}
