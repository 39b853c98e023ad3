// Between a definition and what is shown. Nodes: {kind: "group", mode, not, rules}, {kind: "test", not, rule},
// {kind: "segment", not, segment} and {kind: "odd", raw}, which holds what rows cannot show, just as it came.

let serial = 0;
const fresh = (node) => ({ id: (serial += 1), not: false, ...node });

export const newTest = () => fresh({ kind: "test", rule: {} });
export const newGroup = (mode, rules) => fresh({ kind: "group", mode, rules });

const isObject = (raw) => typeof raw === "object" && raw !== null && !Array.isArray(raw);

export function read(raw) {
  const odd = () => fresh({ kind: "odd", raw });
  if (!isObject(raw)) return odd();
  const [key, ...others] = Object.keys(raw);
  if ("field" in raw) return typeof raw.field === "string" && !["all", "any", "not", "segment"].some((one) => one in raw) ? fresh({ kind: "test", rule: raw }) : odd();
  if (others.length) return odd();
  if ((key === "all" || key === "any") && Array.isArray(raw[key])) return fresh({ kind: "group", mode: key, rules: raw[key].map(read) });
  if (key === "segment" && typeof raw.segment === "string") return fresh({ kind: "segment", segment: raw.segment });
  if (key === "not") {
    const inner = read(raw.not);
    return inner.kind === "odd" || inner.not ? odd() : { ...inner, not: true };
  }
  return odd();
}

// The outermost is always a group; a single rule is written without it, as it came, until there is another one.
export function readAll(raw) {
  const found = read(raw);
  return found.kind === "group" && !found.not ? found : { ...newGroup("all", [found]), wraps: true };
}

// The definition of a node; `places` collects, by JSON pointer, the ids of the nodes written there.
export function write(node, at = "", places = new Map()) {
  if (!places.has(at)) places.set(at, node.id);
  if (node.kind === "odd") return node.raw;
  const inside = node.not ? `${at}/not` : at;
  if (!places.has(inside)) places.set(inside, node.id);
  const plain =
    node.kind === "group" ? { [node.mode]: node.rules.map((rule, index) => write(rule, `${inside}/${node.mode}/${index}`, places)) }
    : node.kind === "segment" ? { segment: node.segment }
    : { ...node.rule };
  return node.not ? { not: plain } : plain;
}

export function writeAll(root, places = new Map()) {
  if (root.wraps && root.rules.length === 1 && root.mode === "all" && !root.not) return write(root.rules[0], "", places);
  return write(root, "", places);
}

// The node that a pointer leads to, or into.
export function nodeAt(places, pointer) {
  for (let at = pointer; ; at = at.slice(0, at.lastIndexOf("/"))) {
    if (places.has(at)) return places.get(at);
    if (!at) return null;
  }
}

export function* all(node) {
  yield node;
  for (const rule of node.rules ?? []) yield* all(rule);
}

export const find = (root, id) => [...all(root)].find((node) => node.id === id);
export const parentOf = (root, id) => [...all(root)].find((node) => node.rules?.some((rule) => rule.id === id));

export function copyOf(node) {
  const copy = structuredClone(node);
  for (const one of all(copy)) one.id = serial += 1;
  return copy;
}

export function remove(root, id) {
  const parent = parentOf(root, id);
  const index = parent.rules.findIndex((rule) => rule.id === id);
  const [node] = parent.rules.splice(index, 1);
  return { node, parent, index };
}

// Moves a node into a group, counted among the rules that are there without it. False: into itself.
export function moveInto(root, id, groupId, index) {
  const node = find(root, id);
  if ([...all(node)].some((one) => one.id === groupId)) return false;
  const { node: taken } = remove(root, id);
  find(root, groupId).rules.splice(index, 0, taken);
  return true;
}

// One step up or down as the eye goes: past a rule, into a group, out of one. False at the end.
export function step(root, id, by) {
  const parent = parentOf(root, id);
  const index = parent.rules.findIndex((rule) => rule.id === id);
  const beside = parent.rules[index + by];
  if (beside?.kind === "group") return moveInto(root, id, beside.id, by < 0 ? beside.rules.length : 0);
  if (beside) return moveInto(root, id, parent.id, index + by);
  const above = parentOf(root, parent.id);
  if (!above) return false;
  const place = above.rules.indexOf(parent);
  return moveInto(root, id, above.id, by < 0 ? place : place + 1);
}
