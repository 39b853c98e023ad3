// What the Site's segments may ask: fields with their operators, in words and with the type they are of.

const GROUPS = { "What the CRM tells": "Contact" };
const PREFERRED = ["in", "has_any", "contains_any", "within", "gte"];
const TYPES = [
  ["event", (field) => field.name === "event"],
  ["other segment", (field) => field.name === "segment"],
  ["how often", (_, inputs) => inputs.has("count")],
  ["date and time", (_, inputs) => inputs.has("moment")],
  ["date", (_, inputs) => inputs.has("date")],
  ["number", (_, inputs) => inputs.has("number")],
  ["yes or no", (_, inputs) => inputs.has("boolean")],
  ["uploaded list", (_, inputs) => inputs.has("list")],
  ["choice", (_, inputs) => inputs.has("choice")],
  ["several texts", (field) => field.operators.some((one) => ["has_any", "contains_any"].includes(one.op))],
  ["text", () => true],
];

export class Catalogue {
  constructor({ fields, segments, lists, campaigns }) {
    this.segments = segments;
    this.lists = lists.map((one) => [one.id, one.name]);
    this.campaigns = campaigns.map((one) => [one.id, one.name]);
    const isAttribute = (field) => field.name.startsWith("contact.attributes."); // what a Site told of itself comes first
    const sorted = [...fields.filter(isAttribute), ...fields.filter((field) => !isAttribute(field)), ...(segments.length ? [segmentField(segments)] : [])];
    this.fields = sorted.map((field) => this.#completed(field));
    this.byName = new Map(this.fields.map((field) => [field.name, field]));
  }

  #completed(field) {
    const inputs = new Set(field.operators.map((one) => one.input));
    const type = TYPES.find(([, fits]) => fits(field, inputs))[0];
    const which = field.name.startsWith("engagement.") ? (type === "how often" ? "how often" : "when last") : "";
    const named = field.operators.map((one) => ({ ...one, words: one.words.replace(" … times", ""), choices: one.input.startsWith("list") ? this.lists : one.choices }));
    const choices = named.find((one) => one.choices.length)?.choices ?? [];
    return { ...field, type, choices, operators: named, which, group: GROUPS[field.group] ?? field.group };
  }

  // The operator of a rule; undefined where the field has none of this name.
  operator(rule) {
    return this.byName.get(rule.field)?.operators.find((one) => one.op === rule.op);
  }

  // Operators to choose from: a yes-or-no is asked with its answer, "is not" would say the same twice.
  operators(field, chosen) {
    return field.operators.filter((one) => one.op === chosen || !(one.input === "boolean" && one.op === "ne"));
  }

  // A rule that asks this field in the way that is wanted most.
  begin(name) {
    const field = this.byName.get(name);
    const wanted = PREFERRED.map((op) => field.operators.find((one) => one.op === op)).find(Boolean) ?? field.operators[0];
    return this.withOperator({ field: name }, wanted.op);
  }

  // The rule with another operator; what it takes, too, is kept.
  withOperator(rule, op) {
    const [from, to] = [this.operator(rule), this.byName.get(rule.field).operators.find((one) => one.op === op)];
    const next = { field: rule.field, op };
    const value = converted(rule.value, from?.input, to);
    if (value !== undefined) next.value = value;
    for (const member of to.members) if (member in rule) next[member] = rule[member];
    return next;
  }

  // Fields whose words all begin with, or contain, what was typed; the best first.
  search(text) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    if (!words.length) return this.fields;
    const ranked = this.fields.map((field) => {
      const title = field.title.toLowerCase();
      const said = `${title} ${field.which} ${field.group.toLowerCase()} ${field.name.toLowerCase()} ${field.type}`;
      const fits = words.every((word) => said.includes(word));
      const rank = title.startsWith(words[0]) ? 0 : words.every((word) => title.includes(word)) ? 1 : 2;
      return { field, fits, rank };
    });
    return ranked.filter((one) => one.fits).sort((a, b) => a.rank - b.rank).map((one) => one.field);
  }
}

// What the values of a field are counted in: the CRM tells of people, a browser of itself.
export const unitOf = (field) => (field.name === "event" ? ["event", "events"] : field.name.startsWith("contact.") ? ["person", "people"] : ["device", "devices"]);

const segmentField = (segments) => ({
  name: "segment", title: "In the segment", group: "Segments", suggests: false,
  operators: [["eq", "is"], ["ne", "is not"]].map(([op, words]) => (
    { op, words, input: "choice", members: [], choices: segments.map((one) => [one.id, one.name]) })),
});

const MANY = { texts: "text", choices: "choice", numbers: "number", dates: "date", lists: "list" };
const DEFAULTS = { span: "30d", boolean: true, count: 1, ahead: 7 };

function converted(value, from, { input, choices }) {
  if (input === "none") return undefined;
  if (value !== undefined && from === input) return value;
  if (value !== undefined && MANY[input] === from) return [value];
  if (Array.isArray(value) && MANY[from] === input) return value[0];
  if (input === "boolean") return choices[0]?.[0] !== "false";
  return DEFAULTS[input];
}
