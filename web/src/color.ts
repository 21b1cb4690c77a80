// Colours of services and other values: a function of the name alone, so that a name has one colour on every page.
const TONES = ["66% 0.14", "56% 0.16", "74% 0.12"]; // lightness and chroma, as even to the eye for all hues

function hash(text: string): number {
  let found = 2166136261;
  for (let at = 0; at < text.length; at++) found = Math.imul(found ^ text.charCodeAt(at), 16777619);
  // Of the usual constants to mix with, these keep usual names of services apart.
  found = Math.imul(found ^ (found >>> 17), 0x2c1b3c6d);
  found = Math.imul(found ^ (found >>> 13), 0x45d9f3b);
  return (found ^ (found >>> 16)) >>> 0;
}

const known = new Map<string, string>();

export function colorOf(name: string): string {
  let color = known.get(name);
  if (color === undefined) {
    const code = hash(name);
    color = `oklch(${TONES[Math.floor(code / 360) % TONES.length]} ${code % 360})`;
    known.set(name, color);
  }
  return color;
}
