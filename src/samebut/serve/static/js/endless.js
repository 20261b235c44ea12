/**
 * More answers by scrolling on. Only for pointers: keyboard users have the button, since
 * automatic loading would move what follows the answers away each time the focus is about to reach it.
 */

const AHEAD = 900; // CSS pixels above the end where the next answers are asked for
let byHand = false;

/** Marks the next scrolling as the page's own, which must not load more. */
export const notByHand = () => (byHand = false);

/** Calls `onNear()` when somebody scrolls near to `end`. */
export function endless(end, onNear) {
  for (const kind of ["wheel", "touchmove"]) {
    window.addEventListener(kind, () => (byHand = true), { passive: true });
  }
  window.addEventListener("keydown", notByHand);
  const look = () => {
    if (byHand && end.getBoundingClientRect().top < window.innerHeight + AHEAD) onNear();
  };
  window.addEventListener("scroll", look, { passive: true });
}
