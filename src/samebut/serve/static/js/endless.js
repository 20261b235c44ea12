/**
 * More answers by scrolling on. By hand only: who goes through the page with the keyboard has the
 * button, or what comes after the answers would move away each time it is nearly reached.
 */

const AHEAD = 900; // CSS pixels above the end where the next answers are asked for
let byHand = false;

/** The page itself scrolls now: that is not somebody who wants to see more. */
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
