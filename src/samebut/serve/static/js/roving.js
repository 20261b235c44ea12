/** One stop for the Tab key in a row of buttons; arrows, Home and End move between them. */

const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

/** Makes the buttons directly in `row` one stop, whenever they are rendered anew. */
export function roving(row) {
  const buttons = () => [...row.querySelectorAll(":scope > button")];
  const stop = (chosen) => {
    for (const each of buttons()) each.setAttribute("tabindex", each === chosen ? 0 : -1);
  };
  const renew = () => {
    const seen = buttons().filter((each) => each.offsetParent !== null);
    stop(seen.find((each) => each.getAttribute("tabindex") === "0") ?? seen[0]);
  };
  new MutationObserver(renew).observe(row, { childList: true });
  row.addEventListener("focusin", (event) => buttons().includes(event.target) && stop(event.target));
  row.addEventListener("keydown", (event) => {
    const seen = buttons().filter((each) => each.offsetParent !== null);
    const at = seen.indexOf(event.target);
    const to = { Home: 0, End: seen.length - 1 }[event.key] ?? at + (STEPS[event.key] ?? NaN);
    if (at < 0 || !seen[to]) return;
    event.preventDefault();
    seen[to].focus();
  });
}
