// Names of run folders: they sort by the time at which a run began.

export function isRunName(name: string): boolean {
  return /^\d{8}-\d{9}-[0-9a-f]+$/.test(name);
}

/** When a run of this name began, milliseconds since 1970; 0 where the name does not say. */
export function timeOfRun(name: string): number {
  const digits = name.replaceAll('-', '');
  const [year, month, day, hour, minute, second] = [4, 2, 2, 2, 2, 2].map((length, index, all) => {
    const start = all.slice(0, index).reduce((sum, before) => sum + before, 0);
    return Number(digits.slice(start, start + length));
  });
  const time = Date.UTC(year ?? 0, (month ?? 1) - 1, day, hour, minute, second, Number(digits.slice(14, 17)));
  return Number.isNaN(time) ? 0 : time;
}
