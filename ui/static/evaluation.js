// Runs once, when the evaluation tab has loaded: `element` and `trigger` come from Gradio. The forms are ours, not
// Gradio's; what they hold goes to the server as data of an event.
const tab = document.getElementById('fn-evaluation');
const shown = document.getElementById('fn-eval-shown');
const still = (act) => requestAnimationFrame(() => requestAnimationFrame(act));
const data = (form) => Object.fromEntries(new FormData(form));

let limit = 0; // questions shown; 0: as many as at first
let waiting = 0;
let asked = false; // the reader has chosen a run: the page that comes gets the focus

function rows() {
  const form = shown.querySelector('form.fn-eval-filter');
  if (!form) return;
  const { runName, first, second } = form.dataset;
  trigger('show_rows', { name: runName, first, second, limit: limit || undefined, ...data(form) });
}

function choose(act) {
  limit = 0;
  asked = true;
  act();
}

tab.addEventListener('click', (event) => {
  const button = event.target.closest?.('button');
  if (!button) return;
  if (button.dataset.run) {
    if (button.dataset.run === key) tab.classList.add('fn-reading'); // nothing will change, so nothing would tell
    choose(() => trigger('open_run', { name: button.dataset.run }));
  }
  else if (button.dataset.rows) { limit = Number(button.dataset.rows); rows(); }
  else if (button.matches('.fn-eval-stop')) { button.disabled = true; trigger('stop_run', {}); }
  else if (button.matches('.fn-to-runs')) {
    tab.classList.remove('fn-reading');
    const name = shown.querySelector('.fn-eval-page')?.dataset.key;
    still(() => ([...document.querySelectorAll('.fn-eval-run')].find((run) => run.dataset.run === name) ?? document.querySelector('.fn-eval-run'))?.focus());
  }
});

tab.addEventListener('submit', (event) => {
  event.preventDefault();
  if (event.target.dataset.form === 'start') trigger('start_run', data(event.target));
});

tab.addEventListener('change', (event) => {
  if (event.target.name === 'against' && event.target.value) {
    const first = event.target.dataset.first;
    choose(() => trigger('compare_runs', { first: event.target.value, second: first })); // A is what this run is held against
  }
});

tab.addEventListener('input', (event) => {
  if (!event.target.closest('form.fn-eval-filter')) return;
  limit = 0;
  clearTimeout(waiting);
  waiting = setTimeout(rows, 250);
});

// The run that is shown, on a phone alone on the screen; the list says which one it is.
let key = '';
new MutationObserver(() => {
  const page = shown.querySelector('.fn-eval-page');
  const now = page?.dataset.key ?? '';
  document.querySelectorAll('.fn-eval-run').forEach((run) => {
    if (now === run.dataset.run) run.setAttribute('aria-current', 'true');
    else run.removeAttribute('aria-current');
  });
  if (!asked || (now === key && !shown.querySelector('.fn-problem'))) return;
  asked = false;
  key = now;
  tab.classList.add('fn-reading');
  document.getElementById('fn-eval-column').scrollTop = 0;
  still(() => page?.querySelector('h2').focus({ preventScroll: true }));
}).observe(tab, { childList: true, subtree: true, characterData: true, attributes: true, attributeFilter: ['data-key', 'data-run'] });

trigger('enter_tab', {});
trigger('watch_run', {});
