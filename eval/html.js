// Searching and filtering the questions. Without it all of them are there, and this form isn't.
// A question is found if it holds every word, and every "phrase in quotation marks".
(() => {
  const form = document.getElementById("filters");
  const find = document.getElementById("find");
  const shown = document.getElementById("shown");
  const open = document.getElementById("open");
  const questions = [...document.querySelectorAll(".group > details")];
  const groups = [...document.querySelectorAll(".group")].map((group) => [
    group,
    group.querySelectorAll(":scope > details").length,
  ]);
  const good = ["right", "rightly refused"];
  const texts = new Map(); // filled by the first search
  const text = (question) => {
    if (!texts.has(question)) texts.set(question, question.textContent.toLowerCase().replace(/\s+/g, " "));
    return texts.get(question);
  };

  const fits = (question, words) =>
    ["type", "status", "stage"].every((name) => {
      const wanted = form.elements[name].value;
      const is = question.dataset[name];
      return !wanted || wanted === is || (name === "stage" && wanted === "lost" && !good.includes(is));
    }) && words.every((word) => text(question).includes(word));

  const visible = () => questions.filter((question) => !question.hidden);

  const apply = () => {
    const words = (find.value.toLowerCase().match(/"[^"]+"?|[^\s"]+/g) ?? []).map((word) => word.replaceAll('"', ""));
    for (const question of questions) question.hidden = !fits(question, words);
    for (const [group, all] of groups) {
      const count = [...group.querySelectorAll(":scope > details")].filter((each) => !each.hidden).length;
      group.hidden = !count;
      group.querySelector(".count").textContent = count === all ? `${all}` : `${count} of ${all}`;
    }
    const count = visible().length;
    shown.textContent = count ? `${count} of ${questions.length} questions shown` : "No question fits.";
    label();
  };

  const label = () => {
    const all = visible().every((question) => question.open);
    open.textContent = all && visible().length ? "Close all shown" : "Open all shown";
  };

  const follow = () => {
    const question = questions.find((each) => `#${each.id}` === location.hash);
    if (!question) return;
    question.open = true;
    question.scrollIntoView();
  };

  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  open.addEventListener("click", () => {
    const opening = !visible().every((question) => question.open);
    for (const question of visible()) question.open = opening;
    label();
  });
  for (const question of questions) question.addEventListener("toggle", label);
  addEventListener("hashchange", follow);
  form.hidden = false;
  apply();
  follow();
})();
