// Text that somebody else wrote, made harmless for a terminal: control characters (cursor moves, window titles, bells) and
// characters that turn the order of text around are shown by their code instead of being obeyed.

/** C0 but for tab and line break, DEL and C1, and the bidirectional overrides and isolates. */

const obeyed = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;
/** Colours and weights as headgate itself sets them; none that hides text. */

const colour = /(\u001b\[(?:[0-2]|2[0-4]|3[0-79]|4[0-79]|9[0-7]|10[0-7])m)/;

/** Colour codes are kept: headgate's own are already in the text. */
export function printable(text: string): string {
  if (!obeyed.test(text)) return text;
  obeyed.lastIndex = 0;
  return text
    .split(colour)
    .map((part, index) => (index % 2 === 1 ? part : part.replaceAll(obeyed, shown)))
    .join('');
}

function shown(character: string): string {
  const code = character.charCodeAt(0);
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16)}`;
}
