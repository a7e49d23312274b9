// Runs once, when the list of conversations has loaded: `element` and `trigger` come from Gradio. As in panel.js all
// listeners sit on the document, and only our own ids and classes are touched.
const byId = (id) => document.getElementById(id);
const column = byId('fn-talks');
const main = () => byId('fn-main'); // functions, where an element may be made later than the list
const dialog = () => byId('fn-keys-dialog');
const box = () => document.querySelector('#fn-question textarea');
const narrow = matchMedia('(max-width: 60rem)');
const soon = (act) => requestAnimationFrame(() => requestAnimationFrame(act));
const rows = () => [...element.querySelectorAll('.fn-talk')];
const rowOf = (id) => rows().find((row) => row.dataset.id === id);

const OPENED = 'footnoted-open'; // in the tab's storage: the conversation on the page
const LISTED = 'footnoted-list'; // in the browser's storage: whether a desktop shows the list
const SINGLE = 'footnoted-keys'; // and whether `/` and `?` are keys of the page
const recall = (storage, key) => { try { return window[storage].getItem(key); } catch { return null; } };
const remember = (storage, key, value) => { // without storage a reload forgets: nothing else depends on it
  try { value ? window[storage].setItem(key, value) : window[storage].removeItem(key); } catch { /* it keeps nothing */ }
};

// ------------------------------------------------------------------------------------------------------ the column
column.setAttribute('role', 'navigation');
column.setAttribute('aria-label', 'Conversations');
const isOpen = () => column.classList.contains('fn-open');

function show(open) {
  column.classList.toggle('fn-open', open);
  column.inert = !open;
  byId('fn-talks-button')?.setAttribute('aria-expanded', String(open));
  if (narrow.matches && main()) main().inert = open; // a drawer lies over it
}

function openList() {
  if (!byId('fn-desk').offsetParent) document.querySelector('#fn-tabs [role="tab"]')?.click(); // it stands beside the questions
  byId('fn-side')?.classList.remove('fn-open'); // on a phone one sheet at a time
  show(true);
  if (!narrow.matches) remember('localStorage', LISTED, 'open');
  trigger('show_talks', {}); // another tab may have gone on
  soon(() => column.querySelector('#fn-talk-search :is(textarea, input)')?.focus());
}

function closeList() {
  show(false);
  if (!narrow.matches) remember('localStorage', LISTED, '');
  byId('fn-talks-button')?.focus();
}

show(!narrow.matches && recall('localStorage', LISTED) === 'open');
narrow.addEventListener('change', () => {
  main().inert = false;
  show(!narrow.matches && recall('localStorage', LISTED) === 'open');
});

// ------------------------------------------------------------------------------------------------- a conversation
function turn(row, part) { // one of the three things that stand under a row's ⋯
  for (const name of ['acts', 'rename', 'delete']) row.querySelector(`.fn-talk-${name}`).hidden = name !== part;
  const field = row.querySelector('.fn-talk-rename input');
  if (part === 'rename') { field.value = row.querySelector('.fn-talk-name').textContent; field.focus(); field.select(); }
  if (part === 'delete') row.querySelector('[data-act="delete-yes"]').focus();
  if (part === 'acts') row.querySelector('.fn-talk-acts button').focus();
}

function fold(row) {
  const more = row.querySelector('details');
  more.open = false;
  more.querySelector('summary').focus();
}

let goneId = ''; // of the row that is being deleted: the way to undo it gets the focus
let backId = ''; // of the one that is being brought back
const acts = {
  rename: (row) => turn(row, 'rename'),
  delete: (row) => turn(row, 'delete'),
  back: (row) => turn(row, 'acts'),
  markdown: (row, id) => trigger('save_talk', { id, form: 'markdown' }),
  json: (row, id) => trigger('save_talk', { id, form: 'json' }),
  'rename-yes': (row, id) => {
    const title = row.querySelector('.fn-talk-rename input').value;
    turn(row, 'acts');
    fold(row);
    trigger('rename_talk', { id, title });
  },
  'delete-yes': (row, id) => {
    goneId = id;
    trigger('delete_talk', { id });
  },
};

function openTalk(id) {
  if (narrow.matches) closeList();
  byId('fn-scroll').focus({ preventScroll: true });
  if (id === opened) return;
  turning = true;
  trigger('open_talk', { id });
}

document.addEventListener('click', (event) => {
  const button = event.target.closest?.('button');
  if (button?.id === 'fn-talks-button') isOpen() && byId('fn-desk').offsetParent ? closeList() : openList();
  else if (button?.matches('.fn-talks-close')) closeList();
  else if (button?.matches('.fn-keys-open')) showKeys();
  else if (button?.matches('.fn-keys-close')) dialog().close();
  else if (button?.dataset.talk) openTalk(button.dataset.talk);
  else if (button?.dataset.restore) { backId = button.dataset.restore; trigger('restore_talk', { id: backId }); }
  else if (button?.dataset.act) { const row = button.closest('.fn-talk'); acts[button.dataset.act](row, row.dataset.id); }
  else if (button?.matches('.fn-again')) { byId('fn-scroll').focus({ preventScroll: true }); trigger('ask_again', {}); }
  else if (button?.matches('.fn-edit')) trigger('edit_last', {});
  else if (button?.matches('.fn-edit-end')) { box()?.focus(); trigger('edit_end', {}); }
  else if (button?.matches('.fn-share')) trigger('save_answer', { turn: Number(button.dataset.turn) });
  else if (narrow.matches && isOpen() && !column.contains(event.target)) closeList();
}, true);

document.addEventListener('toggle', (event) => { // one at a time, each as it was at first
  const row = event.target.closest?.('.fn-talk');
  if (!row || !event.target.open) return;
  rows().forEach((other) => { if (other !== row) other.querySelector('details').open = false; });
  for (const name of ['acts', 'rename', 'delete']) row.querySelector(`.fn-talk-${name}`).hidden = name !== 'acts';
}, true);

// ------------------------------------------------------------------------------------------------------------ keys
const singleKeys = () => recall('localStorage', SINGLE) !== 'off';
document.addEventListener('change', (event) => {
  if (event.target.id === 'fn-keys-single') remember('localStorage', SINGLE, event.target.checked ? '' : 'off');
});

function showKeys() {
  byId('fn-keys-single').checked = singleKeys();
  dialog().showModal();
}

document.addEventListener('keydown', (event) => { // before panel.js hears of it
  if (dialog()?.open) { event.stopPropagation(); return; } // the dialog closes itself on Escape
  const row = event.target.closest?.('.fn-talk');
  if (row && event.key === 'Enter' && event.target.matches('input')) {
    event.preventDefault();
    acts['rename-yes'](row, row.dataset.id);
  } else if (event.key === 'Escape' && isOpen() && (narrow.matches || column.contains(event.target))) {
    event.stopPropagation();
    row?.querySelector('details[open]') ? fold(row) : closeList();
  } else if ((event.key === '/' || event.key === '?') && !event.ctrlKey && !event.metaKey && !event.altKey) {
    if (/^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) return;
    if (!singleKeys()) event.stopPropagation();
    else if (event.key === '?') { event.preventDefault(); showKeys(); }
  }
}, true);

// ------------------------------------------------------------------------------------------------- what has changed
const voice = document.createElement('div');
voice.className = 'fn-quiet';
voice.setAttribute('role', 'status');
const say = (text) => { voice.textContent = text; };

function save(parcel) {
  const address = URL.createObjectURL(new Blob([parcel.dataset.text], { type: parcel.dataset.kind }));
  const link = document.createElement('a');
  link.href = address;
  link.download = parcel.dataset.name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
  say(`Saved as ${parcel.dataset.name}.`);
}

let opened = null; // null until the server has told
let turning = false; // another conversation was asked for
let saved = '';
let editing = false;

function refresh() {
  if (!voice.isConnected) main()?.append(voice);
  const list = element.querySelector('[data-open]');
  if (list && list.dataset.open !== opened) {
    opened = list.dataset.open;
    remember('sessionStorage', OPENED, opened);
    if (turning) {
      turning = false;
      soon(() => {
        const scroller = byId('fn-scroll');
        const last = document.querySelector('.fn-turn:last-child');
        if (last) scroller.scrollTop = last.offsetTop - scroller.offsetTop - 16;
      });
    }
  }
  if (goneId && list && !rowOf(goneId)) {
    element.querySelector('.fn-talk-gone button')?.focus();
    say('Deleted. It can be undone.');
    goneId = '';
  }
  if (backId && rowOf(backId)) {
    rowOf(backId).querySelector('.fn-talk-title').focus();
    say('It is back.');
    backId = '';
  }
  const parcel = document.querySelector('#fn-parcels .fn-parcel');
  if (parcel && parcel.id !== saved) { saved = parcel.id; save(parcel); }
  const changing = document.querySelector('#fn-editing .fn-edit-note') !== null;
  if (changing && !editing) soon(() => {
    box().focus();
    box().setSelectionRange(box().value.length, box().value.length);
  });
  editing = changing;
}

// The list, the file to save and the note stand in different places, and come and go: one observer for all.
new MutationObserver(refresh)
  .observe(document.body, { childList: true, subtree: true, attributes: true, attributeFilter: ['data-open', 'id'] });
refresh();
