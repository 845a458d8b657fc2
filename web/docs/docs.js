/** Opens what the address names: every call, frame and document is folded until it is looked at. */

function unfold() {
  const named = document.getElementById(location.hash.slice(1));
  if (named?.tagName !== "DETAILS") return;
  named.open = true;
  named.scrollIntoView();
}

addEventListener("hashchange", unfold);
unfold();
