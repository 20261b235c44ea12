/**
 * Puts the search of this server into a page of another site, where this script stands in it:
 *
 *     <script src="https://photos.example.org/embed.js" data-height="700" async></script>
 *
 * In a frame, so that neither page can read the other: the shop does not see what its visitors
 * upload, and nothing here can touch the shop. The server lists the sites that may do this.
 */
(() => {
  const script = document.currentScript;
  const { height = "640", title = "samebut", theme = "", language = "" } = script.dataset;
  const address = new URL("embed", script.src);
  address.searchParams.set("language", language || document.documentElement.lang);
  if (theme) address.searchParams.set("theme", theme);
  const frame = document.createElement("iframe");
  frame.src = address.href;
  frame.title = title;
  frame.height = height;
  frame.loading = "lazy";
  frame.allow = "clipboard-write";
  // Links open in tabs of their own; the page around the frame can't be navigated by the frame.
  frame.sandbox =
    "allow-scripts allow-same-origin allow-forms allow-popups allow-popups-to-escape-sandbox";
  frame.style.width = "100%";
  frame.style.border = "0";
  script.after(frame);
})();
