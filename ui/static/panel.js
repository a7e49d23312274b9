// Runs once, when the conversation's element has loaded: `element` and `trigger` come from Gradio. All listeners
// sit on the document, because the elements inside come and go; only our own ids and classes are touched.
const byId = (id) => document.getElementById(id);
const side = () => byId('fn-side');
const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
const narrow = matchMedia('(max-width: 60rem)');
const soon = (act) => requestAnimationFrame(() => requestAnimationFrame(act));
function land(target, tries = 20) { // focus() is ignored while an element comes out of hiding: try again
  target.focus({ preventScroll: true });
  if (document.activeElement !== target && tries) requestAnimationFrame(() => land(target, tries - 1));
}

let cameFrom = null; // the chip to go back to
let lastRow = null; // the id of the insight whose row was opened
let turn = null; // whose sources the reader asked for; null: the newest
const unfolded = new Set(); // ids of the <details> that the reader opened

const chipOf = (node) => node.closest?.('a.fn-chip');
const cardOf = (chip) => byId(chip.getAttribute('href').slice(1));

// ------------------------------------------------------------------------------------------------------- sources
function showTurn(wanted) {
  const sections = [...document.querySelectorAll('#fn-sources .fn-sources')];
  const chosen = sections.find((s) => s.dataset.turn === wanted) ?? sections.at(-1);
  sections.forEach((s) => { s.hidden = s !== chosen; });
}

function light(card) {
  document.querySelectorAll('.fn-card.fn-lit').forEach((c) => c.classList.toggle('fn-lit', c === card));
  card?.classList.add('fn-lit');
}

// The quote over its chip, while the pointer or the focus is there: it can be hovered, and Esc takes it away.
const tip = document.createElement('div');
tip.id = 'fn-tip';
tip.setAttribute('role', 'tooltip');
tip.hidden = true;
element.closest('.gradio-container').append(tip);
let tipped = null; // the chip that it belongs to

function showTip(chip) {
  if (chip === tipped) return;
  hideTip();
  const card = cardOf(chip);
  const marked = [...(card?.querySelectorAll('mark') ?? [])].reduce((said, mark) => {
    const between = mark.previousSibling?.textContent.trim() ? ' … ' : ' ';
    return said ? said + between + mark.textContent : mark.textContent;
  }, '');
  if (!marked) return;
  tipped = chip;
  tip.textContent = marked.length > 320 ? `${marked.slice(0, 320).trimEnd()} …` : marked;
  tip.hidden = false;
  chip.setAttribute('aria-describedby', tip.id);
  const at = chip.getBoundingClientRect();
  const top = at.bottom + tip.offsetHeight > innerHeight ? at.top - tip.offsetHeight : at.bottom;
  tip.style.left = `${Math.max(8, Math.min(at.left - 24, innerWidth - tip.offsetWidth - 8))}px`;
  tip.style.top = `${Math.max(8, top)}px`;
}

function hideTip() {
  tipped?.removeAttribute('aria-describedby');
  tipped = null;
  tip.hidden = true;
}

function openCard(chip) {
  hideTip();
  const card = cardOf(chip);
  if (!card) return;
  cameFrom = chip;
  turn = card.closest('.fn-sources').dataset.turn;
  showTurn(turn);
  const fold = card.closest('details');
  if (fold) fold.open = true;
  light(card);
  openSheet();
  soon(() => {
    land(card);
    card.scrollIntoView({ behavior: still ? 'auto' : 'smooth', block: 'nearest' });
  });
}

function openSheet() {
  side()?.classList.add('fn-open');
  if (narrow.matches) byId('fn-main').inert = true; // a sheet lies over it
}

function dropSheet() {
  side()?.classList.remove('fn-open');
  byId('fn-main').inert = false;
}

function closeSheet() {
  dropSheet();
  light(null);
  const back = cameFrom?.isConnected ? cameFrom : document.querySelector('#fn-question textarea');
  cameFrom = null;
  back?.focus();
}

// -------------------------------------------------------------------------------------------------------- events
document.addEventListener('click', (event) => {
  const chip = chipOf(event.target);
  if (chip) {
    event.preventDefault(); // Gradio sets <base href>: following the fragment would load the page anew
    openCard(chip);
    return;
  }
  const button = event.target.closest?.('button');
  if (!button) return;
  if (button.matches('.fn-close, .fn-back')) closeSheet();
  else if (button.matches('.fn-show')) {
    cameFrom = button;
    turn = button.dataset.turn;
    showTurn(turn);
    openSheet();
    soon(() => {
      const card = document.querySelector('#fn-sources .fn-sources:not([hidden]) .fn-card');
      if (card) land(card);
    });
  } else if (button.matches('.fn-copy')) copy(button);
  else if (button.matches('.fn-to-list')) backToList();
  else if (button.dataset.about) fillBox(button.dataset.about);
  else if (button.dataset.more) trigger('show_more', { limit: Number(button.dataset.more) });
  else if (button.dataset.insight) {
    if (button.closest('#fn-listing')) lastRow = button.dataset.insight;
    if (side()?.contains(button)) dropSheet();
    const page = document.querySelector('#fn-insight .fn-insight');
    if (page?.dataset.id === button.dataset.insight) showPage(page); // nothing will change, so nothing would tell
    trigger('open_insight', { id: button.dataset.insight });
  }
}, true);

const hovers = matchMedia('(hover: hover)'); // a finger's tap opens the source at once
const preview = (event) => {
  const chip = chipOf(event.target);
  if (chip) light(cardOf(chip));
  if (chip && (event.type === 'focusin' ? chip.matches(':focus-visible') : hovers.matches)) showTip(chip);
  else if (!tip.contains(event.target)) hideTip();
};
document.addEventListener('mouseover', preview);
document.addEventListener('focusin', preview);
document.addEventListener('scroll', hideTip, true);

document.addEventListener('toggle', (event) => {
  const id = event.target.id;
  if (id && event.target.closest('#fn-thread, #fn-sources')) event.target.open ? unfolded.add(id) : unfolded.delete(id);
}, true);

document.addEventListener('keydown', (event) => {
  const chip = chipOf(event.target);
  if (chip && event.key === ' ') { event.preventDefault(); openCard(chip); }
  const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
  if (event.key === 'Escape' && tipped) hideTip();
  else if (event.key === 'Escape' && (side()?.classList.contains('fn-open') || side()?.contains(event.target))) closeSheet();
  if (event.key === '/' && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    const box = [...document.querySelectorAll('#fn-question textarea, #fn-search textarea, #fn-search input')]
      .find((field) => field.offsetParent);
    if (box) { event.preventDefault(); box.focus(); }
  }
});

async function copy(button) {
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    say('Copied with its sources.');
    button.textContent = 'Copied';
  } catch {
    say('The browser did not allow copying.');
  }
}

function fillBox(question) { // to be changed or asked as it is
  dropSheet();
  const box = document.querySelector('#fn-question textarea');
  Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, 'value').set.call(box, question);
  box.dispatchEvent(new Event('input', { bubbles: true }));
  soon(() => land(box));
}

// What was offered under another answer is out of date: a conversation that was opened has none yet.
function refreshOffers(last) {
  const offers = document.querySelector('#fn-after .fn-offers');
  if (offers) offers.hidden = last?.querySelector('.fn-question').textContent !== offers.dataset.question;
}

function backToList() {
  byId('fn-library').classList.remove('fn-reading');
  const row = [...document.querySelectorAll('#fn-listing .fn-row')].find((r) => r.dataset.insight === lastRow);
  soon(() => (row ?? document.querySelector('#fn-listing .fn-row'))?.focus());
}

// -------------------------------------------------------------------------------------------- what a reader hears
// The conversation itself is not live: an answer that grows would be read again and again. Milestones are said.
const voice = document.createElement('div');
voice.id = 'fn-voice';
voice.setAttribute('role', 'status');
document.querySelector('#fn-main').append(voice);
let said = '';
const say = (text) => { if (text && text !== said) { said = text; voice.textContent = text; } };

const scroller = byId('fn-scroll');
scroller.tabIndex = 0;
scroller.setAttribute('role', 'region');
scroller.setAttribute('aria-label', 'Conversation');
side().setAttribute('role', 'complementary');
side().setAttribute('aria-label', 'Sources');

let turns = 0;
let follow = true; // keep the end in view until the reader scrolls up
scroller.addEventListener('scroll', () => {
  follow = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 80;
}, { passive: true });

function refreshThread() {
  const all = element.querySelectorAll('.fn-turn');
  const last = all[all.length - 1];
  if (all.length > turns) { // a new question: show it from its top, the answer grows below
    follow = true;
    turn = null;
    cameFrom = null;
  }
  turns = all.length;
  refreshOffers(last);
  if (!last) { said = ''; unfolded.clear(); return; }
  if (follow) scroller.scrollTop = Math.min(last.offsetTop - scroller.offsetTop - 16, scroller.scrollHeight);
  const text = (of) => last.querySelector(`.fn-answer ${of}`)?.textContent.trim();
  const answer = text('.fn-prose');
  say(text('.fn-phase') || text('.fn-none-title') || text('.fn-problem') || text('.fn-stopped') || (answer && `Answer: ${answer}`));
}

function refreshSources() { // an update restores the server's attributes: put back what the reader chose
  showTurn(turn);
  for (const id of unfolded) { const fold = byId(id); if (fold && !fold.open) fold.open = true; }
  if (!document.querySelector('#fn-sources .fn-card')) dropSheet();
}

// ---------------------------------------------------------------------------------------------------- an insight
let opened = null;
function showPage(page) {
  opened = page.dataset.id;
  byId('fn-library').classList.add('fn-reading');
  byId('fn-insight-column').scrollTop = 0;
  soon(() => land(page.querySelector('h2')));
}

function refreshLibrary() {
  const page = document.querySelector('#fn-insight .fn-insight');
  if (page && page.dataset.id !== opened) showPage(page);
}

// One observer on the body, because Gradio builds a tab's elements only when the tab is first opened.
new MutationObserver(() => { refreshThread(); refreshSources(); refreshLibrary(); })
  .observe(document.body, { childList: true, subtree: true, characterData: true, attributes: true, attributeFilter: ['data-id'] });
