// Small things that all parts of the viewer are made of.

export function make(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

export function button(text, key, act) {
  const made = make("button", { type: "button", title: key && `Key ${key}`, onclick: act }, text);
  if (key) made.append(make("kbd", {}, key));
  return made;
}

export function pressed(element, on) {
  element.setAttribute("aria-pressed", String(on));
}

// Red, green and blue of each value, three numbers each.
export function colourTable(coloured) {
  const table = new Uint8Array(3 * 256);
  for (const [value, colour] of coloured) {
    [1, 3, 5].forEach((start, i) => {
      table[3 * value + i] = parseInt(colour.slice(start, start + 2), 16);
    });
  }
  return table;
}

export function numberOf(text, low, high, otherwise) {
  const number = text === null || text === "" ? NaN : Number(text);
  return Number.isFinite(number) ? clamp(number, low, high) : otherwise;
}

export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
export const title = (name) => name[0].toUpperCase() + name.slice(1);
