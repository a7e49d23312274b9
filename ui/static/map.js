// Runs once, when the map's element has loaded: `element` and `trigger` come from Gradio. What the server draws is
// patched into the page; names, the point that is chosen and the lit sources are put in here, after each drawing.
const panel = () => document.getElementById('fn-map');
const opener = () => document.querySelector('.fn-map-opener');
const list = () => element.querySelector('.fn-map-list');
const SVG = 'http://www.w3.org/2000/svg';

let area = ''; // the part of the map that is shown: see ui/map_desk.py
let marks = []; // {node, x, y} in units of the drawing
let chosen = null; // the mark that the keyboard or the pointer is at
let tapped = null; // on a touch screen the first tap names a point, the second opens it
let wanted = ''; // ids of the sources that the last drawing was asked to show
let backToMap = false; // the keyboard opened a part: it goes on in the map

// -------------------------------------------------------------------------------------- the current answer's sources
function sources() { // the numbered cards of the answer whose sources are shown
  const cards = document.querySelectorAll('#fn-sources .fn-sources:not([hidden]) .fn-card');
  return [...cards].map((card) => ({
    id: (card.querySelector('.fn-card-foot [data-insight]') ?? card.querySelector('[data-insight]'))?.dataset.insight,
    number: card.querySelector('.fn-number')?.textContent.trim(),
  })).filter((source) => source.id && source.number);
}

function light(found) {
  element.querySelectorAll('.fn-map-number').forEach((node) => node.remove());
  const by = new Map(found.map((source) => [source.id, source.number]));
  for (const { node, x, y } of marks) {
    const number = by.get(node.dataset.i);
    node.classList.toggle('fn-lit', number !== undefined);
    if (number === undefined) continue;
    const text = document.createElementNS(SVG, 'text');
    text.setAttribute('class', 'fn-map-number');
    text.setAttribute('aria-hidden', 'true');
    text.setAttribute('x', x);
    text.setAttribute('y', y);
    text.textContent = number;
    node.ownerSVGElement.append(text);
  }
}

// ---------------------------------------------------------------------------------------------------- what is drawn
function draw() {
  const found = sources().map((source) => source.id);
  wanted = found.join(' ');
  trigger('draw_map', { area, lit: found });
}

const watcher = new MutationObserver((changes) => {
  if (changes.some((change) => !change.target.closest?.('.fn-map-tip'))) refresh(); // the tip is ours
});
const observe = () => watcher.observe(element, { childList: true, subtree: true, attributes: true, attributeFilter: ['cx', 'cy', 'd', 'data-i'] });

function refresh() {
  watcher.disconnect(); // what is put in here is no drawing
  marks = [...element.querySelectorAll('[role="option"]')].map((node) => {
    const [, x, y] = node.getAttribute('d')?.match(/^M([\d.]+),([\d.]+)/) ?? [0, node.getAttribute('cx'), node.getAttribute('cy')];
    return { node, x: Number(x), y: Number(y) };
  });
  choose(null);
  light(sources());
  if (backToMap && marks.length) {
    backToMap = false;
    list()?.focus({ preventScroll: true });
  }
  observe();
}

// The cards change with each answer: the server draws the sources that a crowded map doesn't show, and no name on them.
new MutationObserver(() => {
  if (!panel()?.classList.contains('fn-open')) return;
  const found = sources();
  const ids = found.map((source) => source.id).join(' ');
  if (ids === wanted) return;
  draw();
}).observe(document.getElementById('fn-sources') ?? document.body, { childList: true, subtree: true, attributes: true, attributeFilter: ['hidden'] });

// -------------------------------------------------------------------------------------------------------- choosing
function choose(mark) {
  chosen?.node.classList.remove('fn-on');
  chosen = mark;
  const box = list();
  const tip = element.querySelector('.fn-map-tip');
  if (!box || !tip) return;
  if (!mark) {
    box.removeAttribute('aria-activedescendant');
    tip.hidden = true;
    return;
  }
  mark.node.classList.add('fn-on');
  box.setAttribute('aria-activedescendant', mark.node.id);
  tip.textContent = mark.node.getAttribute('aria-label');
  tip.hidden = false;
  const frame = tip.parentElement.getBoundingClientRect();
  const scale = scaleOf();
  const left = Math.min(Math.max(mark.x * scale - tip.offsetWidth / 2, 0), frame.width - tip.offsetWidth);
  const above = mark.y * scale - tip.offsetHeight - 12;
  tip.style.left = `${left}px`;
  tip.style.top = `${above > 0 ? above : mark.y * scale + 14}px`;
}

const scaleOf = () => {
  const svg = element.querySelector('svg');
  return svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
};

function nearest(event, reach) { // the mark within so many pixels of the pointer
  const box = element.querySelector('svg').getBoundingClientRect();
  const scale = scaleOf();
  let best = null;
  let least = reach;
  for (const mark of marks) {
    const far = Math.hypot(mark.x * scale - (event.clientX - box.left), mark.y * scale - (event.clientY - box.top));
    if (far < least) { best = mark; least = far; }
  }
  return best;
}

const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function next([right, down]) { // the nearest mark that way; what lies aside counts as farther
  const from = chosen ?? { x: 500, y: 380 };
  let best = null;
  let least = Infinity;
  for (const mark of marks) {
    const ahead = (mark.x - from.x) * right + (mark.y - from.y) * down;
    const aside = Math.abs((mark.x - from.x) * down) + Math.abs((mark.y - from.y) * right);
    if (mark === chosen || ahead <= 0.05 || aside > 2 * ahead) continue;
    if (ahead + 2 * aside < least) { best = mark; least = ahead + 2 * aside; }
  }
  return best;
}

function open(mark) {
  if (mark.node.dataset.spot) {
    show(`s${mark.node.dataset.spot}`);
    return;
  }
  const button = document.createElement('button'); // panel.js opens an insight wherever a button names one
  button.type = 'button';
  button.hidden = true;
  button.dataset.insight = mark.node.dataset.i;
  panel().append(button);
  button.click();
  button.remove();
}

function show(part) {
  area = part;
  backToMap = true;
  draw();
}

element.addEventListener('pointermove', (event) => {
  if (event.pointerType === 'touch' || !event.target.closest?.('.fn-map-list')) return;
  const mark = nearest(event, 18);
  if (mark !== chosen) choose(mark);
  list().style.cursor = mark ? 'pointer' : '';
});
element.addEventListener('pointerleave', () => choose(null));
element.addEventListener('focusin', (event) => { if (event.target === list() && !chosen && list().matches(':focus-visible')) choose(next([0, 1]) ?? marks[0] ?? null); });
element.addEventListener('focusout', (event) => { if (event.target === list()) choose(null); });

element.addEventListener('click', (event) => {
  const button = event.target.closest?.('[data-area]');
  if (button) { show(button.dataset.area); return; }
  if (!event.target.closest?.('.fn-map-list')) return;
  const mark = nearest(event, 24);
  if (!mark) { tapped = null; choose(null); return; }
  const touch = event.pointerType === 'touch';
  if (touch && tapped !== mark.node) {
    tapped = mark.node;
    choose(mark);
    return;
  }
  tapped = null;
  open(mark);
});

element.addEventListener('keydown', (event) => {
  if (event.target !== list() || event.ctrlKey || event.metaKey || event.altKey) return;
  if (WAYS[event.key]) choose(next(WAYS[event.key]) ?? chosen ?? marks[0] ?? null);
  else if (event.key === 'Home') choose(marks[0] ?? null);
  else if (event.key === 'End') choose(marks.at(-1) ?? null);
  else if ((event.key === 'Enter' || event.key === ' ') && chosen) open(chosen);
  else if (event.key === 'Escape' && area) show('');
  else return;
  event.preventDefault();
});

// ------------------------------------------------------------------------------------------------ opening the panel
document.addEventListener('click', (event) => {
  if (!event.target.closest?.('.fn-map-opener')) return;
  const wide = panel().classList.toggle('fn-open');
  opener().setAttribute('aria-expanded', String(wide));
  if (wide) draw();
});

observe();
