// Sends the code that a sign-in link has in its fragment. The fragment goes first: neither the history nor a bookmark
// keeps it.
const code = new URLSearchParams(location.hash.slice(1)).get('code');
if (code) {
  history.replaceState(null, '', location.pathname + location.search);
  const form = document.getElementById('link');
  form.elements.namedItem('code').value = code;
  form.submit();
}
