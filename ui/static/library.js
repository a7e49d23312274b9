// Runs once, when the library's list has loaded: `element` and `trigger` come from Gradio. What stands in the list and
// on the page beside it comes and goes, so the listeners sit on the document and look only into #fn-library.
const byId = (id) => document.getElementById(id);
const page = () => document.querySelector('#fn-insight .fn-insight');
const given = (id) => byId(id)?.value ?? '';
const opened = new Set(); // ids of the <details> that the reader opened
const folded = new Set(); // and of those that were open and that the reader folded

// ------------------------------------------------------------------------------------------------------------ clicks
document.addEventListener('click', (event) => {
  const button = event.target.closest?.('#fn-library button');
  closeMenu(event.target);
  if (!button) return;
  const { facet, value, off, open, of, ask, do: act } = button.dataset;
  if (facet) {
    showList();
    trigger('narrow_library', { facet, value, off: Boolean(off) });
  } else if (open) {
    if (open === 'none') showList();
    trigger('open_page', { page: open, id: of ?? '' });
  } else if (ask) {
    trigger('ask_about', { id: ask });
    soonInBox();
  } else if (act) acts[act]?.(button, of);
});

const acts = {
  preview: () => trigger('preview_import', { text: given('fn-paste'), format: given('fn-as') }),
  back: (button) => trigger('open_page', { page: 'add', tokens: tokensOf(button) }),
  import: (button) => trigger('import_insights', { tokens: tokensOf(button) }),
  undo: (_, of) => trigger('change_library', { act: 'undo', number: Number(of) }),
  save: (_, of) => {
    const fields = [...page().querySelectorAll('[data-field]')].map((field) => [field.dataset.field, field.value]);
    trigger('change_library', { act: 'save', id: of, fields: Object.fromEntries(fields) });
  },
  sure: () => sure(true),
  keep: () => sure(false),
  restore: (_, of) => trigger('change_library', { act: 'restore', token: of }),
  delete: (_, of) => trigger('change_library', { act: 'delete', id: of }),
};

const tokensOf = (button) => button.closest('[data-tokens]').dataset.tokens.split(',');

function sure(asked) {
  page().querySelector('.fn-sure').hidden = !asked;
  page().querySelector(asked ? '[data-do="keep"]' : '[data-do="sure"]').focus();
}

function showList() {
  byId('fn-library').classList.remove('fn-reading');
}

function soonInBox(tries = 60) { // the question is on its way to the box, and the tab with it
  const box = document.querySelector('#fn-question textarea');
  if (box?.offsetParent && box.value) box.focus();
  else if (tries) setTimeout(() => soonInBox(tries - 1), 50);
}

// ---------------------------------------------------------------------------------------------------- menus and keys
function closeMenu(target) {
  const menu = byId('fn-export');
  if (menu?.open && (!menu.contains(target) || target.closest('a'))) menu.open = false;
}

document.addEventListener('keydown', (event) => {
  const menu = byId('fn-export');
  if (event.key === 'Escape' && menu?.open) {
    menu.open = false;
    menu.querySelector('summary').focus();
  }
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey) && event.target.id === 'fn-paste') acts.preview();
});

document.addEventListener('change', (event) => {
  if (event.target.id === 'fn-sort') trigger('narrow_library', { sort: event.target.value });
  if (event.target.id === 'fn-file' && event.target.files.length) send([...event.target.files]);
});

document.addEventListener('toggle', (event) => { // an update restores the server's attributes: see refresh()
  const { id, open } = event.target;
  if (!id || id === 'fn-export' || !event.target.closest?.('#fn-library')) return;
  (open ? opened : folded).add(id);
  (open ? folded : opened).delete(id);
}, true);

// ------------------------------------------------------------------------------------------------------------- files
// They go to a route of ours, which keeps them in memory and gives a token back. What it would refuse isn't sent.
async function send(files) {
  const input = byId('fn-file');
  const { max, most } = input.dataset;
  const known = input.accept.split(',');
  const wrong = files.find((file) => !known.some((end) => file.name.toLowerCase().endsWith(end)));
  const large = files.find((file) => file.size > Number(max));
  if (wrong) return refuse(`${wrong.name} has a name that tells no known format. Choose one that ends in ${known.join(', ')}.`);
  if (large) return refuse(`${large.name} is larger than ${max / 1e6} MB. Split it, or add it in the terminal: footnoted library add FILE`);
  if (files.length > Number(most)) return refuse(`These are ${files.length} files. Choose at most ${most}, or add a folder in the terminal.`);
  const tokens = [];
  for (const file of files) {
    let told = {};
    try {
      const answer = await fetch(new URL('library/upload', document.baseURI), {
        method: 'POST',
        body: file,
        headers: { 'x-file-name': encodeURIComponent(file.name), 'content-type': 'application/octet-stream' },
      });
      told = await answer.json();
    } catch { /* told stays empty */ }
    if (!told.token) return refuse(told.detail ?? `${file.name} could not be sent. Try it again.`);
    tokens.push(told.token);
  }
  trigger('preview_import', { tokens, format: given('fn-as') });
}

function refuse(why) {
  const problem = byId('fn-add-problem');
  if (problem) {
    problem.textContent = why;
    problem.hidden = false;
  }
  const input = byId('fn-file');
  if (input) input.value = ''; // so that choosing the same file again is a change
}

// ----------------------------------------------------------------------------------------------------------- updates
let shown = '';
function refresh() {
  for (const fold of document.querySelectorAll('#fn-library details[id]')) {
    if (opened.has(fold.id) && !fold.open) fold.open = true;
    if (folded.has(fold.id) && fold.open) fold.open = false;
  }
  const now = page()?.dataset.id ?? '';
  if (now === shown) return;
  shown = now;
  folded.clear();
}

new MutationObserver(refresh)
  .observe(byId('fn-library'), { childList: true, subtree: true, attributes: true, attributeFilter: ['data-id'] });
