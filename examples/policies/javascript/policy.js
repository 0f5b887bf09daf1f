// Night shift: tasks with a certain label are for the night, all others for the day.
//
// A policy is told the time, and has none of its own: no clock, no chance, no files. What `configure` makes is all that it
// keeps; two calls with the same arguments have the same answer.

const DEFAULTS = { label: "night", from: "22:00", to: "06:00", utc_offset_min: 0 };
const POINT_MS = 60_000;
const DAY_MIN = 24 * 60;

let config;

export const lifecycle = {
  describe: () => ({
    name: "night-shift",
    version: "0.1.0",
    summary: "Tasks that are labelled for the night come first then, and last by day",
    wantsNear: false,
  }),

  // What is thrown is told to whoever configures it.
  configure: (json) => {
    config = read(JSON.parse(json));
  },
};

export const ranking = {
  // A key that time does not change; whether it is night is looked at in `select`.
  rank: (tasks, nowMs) =>
    tasks.map((task) => ({
      key: task.createdAtMs - task.priority * POINT_MS,
      group: task.labels.includes(config.label) ? "night" : "day",
    })),
};

export const selection = {
  // The window has the tasks of each group in the order of their keys. So nothing is sorted: every instruction counts.
  select: (window, groups, agent, want, nowMs, seed) => {
    const shift = shiftAt(nowMs);
    const isOurs = (index) => groups[window[index].group].name === shift;
    const indexes = [...window.keys()];
    const ours = indexes.filter((index) => isOurs(index));
    const others = indexes.filter((index) => !isOurs(index));
    return [
      ...ours.map((index) => ({ index, reason: `it is ${shift}` })),
      ...others.map((index) => ({ index, reason: `it is ${shift}, and nothing is left for it` })),
    ].slice(0, want);
  },
};

function shiftAt(nowMs) {
  const minute = (Math.floor(nowMs / 60_000) + config.offset) % DAY_MIN;
  const { from, to } = config;
  const isNight = from < to ? from <= minute && minute < to : from <= minute || minute < to;
  return isNight ? "night" : "day";
}

function read(json) {
  for (const name of Object.keys(json)) {
    if (Object.hasOwn(DEFAULTS, name)) continue;
    throw new Error(`there is no setting ${name}; there are ${Object.keys(DEFAULTS).join(", ")}`);
  }
  const { label, from, to, utc_offset_min: offset } = { ...DEFAULTS, ...json };
  if (typeof label !== "string" || label === "") {
    throw new Error('`label` says which tasks are for the night: a label, such as "night"');
  }
  if (!Number.isInteger(offset) || Math.abs(offset) > DAY_MIN) {
    throw new Error("`utc_offset_min` is how many minutes the clocks are ahead of UTC, from -1440 to 1440");
  }
  return { label, from: minuteOf("from", from), to: minuteOf("to", to), offset };
}

function minuteOf(name, text) {
  const [, hours, minutes] = /^(\d\d):(\d\d)$/.exec(text) ?? [];
  const minute = hours * 60 + Number(minutes);
  if (!(minute <= DAY_MIN && minutes < 60)) {
    throw new Error(`\`${name}\` is a time of day from 00:00 to 24:00, such as "22:00"`);
  }
  return minute;
}
