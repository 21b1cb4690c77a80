// Colours of services: the same name has the same colour on every page. Sixteen hues that differ in lightness, too.
const HUES = [200, 28, 140, 262, 340, 88, 182, 50, 228, 305, 12, 160, 72, 285, 118, 322];

function hash(text: string): number {
  let found = 2166136261;
  for (let at = 0; at < text.length; at++) found = Math.imul(found ^ text.charCodeAt(at), 16777619);
  return found >>> 0;
}

const assigned = new Map<string, number>();

/** Takes the hue of the name's hash, or the next one that is free, in the order of first sight. */
function slot(name: string): number {
  const known = assigned.get(name);
  if (known !== undefined) return known;
  const taken = new Set(assigned.values());
  let wanted = hash(name) % HUES.length;
  if (taken.size < HUES.length) while (taken.has(wanted)) wanted = (wanted + 1) % HUES.length;
  assigned.set(name, wanted);
  return wanted;
}

export function colorOf(name: string): string {
  const at = slot(name);
  return `hsl(${HUES[at]} ${at % 2 ? 48 : 58}% ${at % 3 === 0 ? 46 : at % 3 === 1 ? 52 : 58}%)`;
}
