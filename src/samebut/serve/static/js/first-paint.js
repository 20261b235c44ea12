/* Runs before anything is drawn: a visitor who chose a theme never sees the other one flash. */
(() => {
  try {
    const theme = localStorage.getItem("samebut.theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    /* Storage is forbidden: the system's theme it is. */
  }
})();
