// Runs once, when the bar of filters has loaded: `element` and `trigger` come from Gradio. As in panel.js all listeners
// sit on the document, and only our own ids and classes are touched.
const box = () => document.querySelector('#fn-question textarea');
const soon = (act) => requestAnimationFrame(() => requestAnimationFrame(act));
const menu = () => element.querySelector('#fn-filter-menu');
let open = false; // an update restores the server's attributes: the menu stays as the reader left it
let dropped = false; // the chip that had the focus is going

function showRated(turn, tries = 90) { // what was said of it stands where the buttons were: the focus goes there
  const said = document.querySelector(`#fn-turn-${turn} .fn-rated`);
  if (said) said.focus();
  else if (tries) requestAnimationFrame(() => showRated(turn, tries - 1));
}

function show(on) {
  open = on;
  if (menu()) menu().open = on;
}

function narrow(term, on) {
  trigger('narrow', { term, on });
}

document.addEventListener('change', (event) => {
  const field = event.target;
  const name = field.dataset?.narrow;
  if (!name || !element.contains(field)) return;
  if (field.type === 'checkbox') narrow(`${name}=${field.value}`, field.checked);
  else if (field.value) narrow(`${name}=${field.value}`, true);
  else narrow(`${name}=`, false);
  if (!['since', 'until'].includes(name) && field.tagName === 'SELECT') field.value = ''; // the chip shows it
});

document.addEventListener('click', (event) => {
  const button = event.target.closest?.('button');
  if (event.target.closest?.('#fn-filter-menu > summary')) open = !menu().open; // what the browser is about to do
  else if (button?.dataset.ask && !button.closest('#fn-library')) { // the button goes: the focus stays in the conversation
    document.getElementById('fn-scroll').focus({ preventScroll: true });
    trigger('ask_this', { question: button.dataset.ask });
  }
  else if (button?.dataset.without) trigger('ask_this', { turn: Number(button.dataset.turn), term: button.dataset.without });
  else if (button?.dataset.rate) {
    const test = button.closest('.fn-down')?.querySelector('.fn-keep')?.checked === true;
    const turn = Number(button.dataset.rate);
    trigger('rate', { turn, reason: button.dataset.reason ?? '', test });
    showRated(turn);
  } else if (button?.dataset.drop) {
    dropped = true;
    narrow(button.dataset.drop, false);
  } else if (menu()?.open && !menu().contains(event.target)) show(false);
}, true);

document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && menu()?.open && menu().contains(event.target)) {
    event.stopPropagation();
    show(false);
    menu().querySelector('summary').focus();
  }
}, true);

new MutationObserver(() => {
  if (menu() && menu().open !== open) menu().open = open;
  if (dropped) {
    dropped = false;
    soon(() => (element.querySelector('.fn-filter-chip') ?? menu()?.querySelector('summary') ?? box())?.focus());
  }
}).observe(element, { childList: true, subtree: true, attributes: true });
