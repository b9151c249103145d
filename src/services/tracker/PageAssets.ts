/** What the catalogue's page looks like, and the little that moves on it. Both are part of the page. */

export const STYLE = `
:root{color-scheme:light dark;--bg:#fbfcfd;--card:#fff;--ink:#16202a;--soft:#5b6b7a;--line:#dfe6ec;--hover:#f2f7fa;
--blue:#0b67a3;--green:#1a7f47;--amber:#9a6200;--grey:#a3b0bb;--ring:#0b67a333}
@media (prefers-color-scheme:dark){:root{--bg:#0f151b;--card:#151d25;--ink:#e4ebf1;--soft:#93a3b1;--line:#26323d;
--hover:#1b252f;--blue:#6cbcf0;--green:#5cc98a;--amber:#e0ab4d;--grey:#55636f;--ring:#6cbcf044}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
main,header,footer{max-width:76rem;margin:0 auto;padding:0 1.25rem}
header{display:flex;flex-wrap:wrap;align-items:baseline;gap:.25rem 1rem;padding-top:2rem}
h1{margin:0;font-size:1.5rem;letter-spacing:-.02em}
h1 a{color:inherit;text-decoration:none}
header p{margin:0;color:var(--soft)}
form{display:flex;gap:.5rem;margin:1.25rem 0}
input[type=search]{flex:1;min-width:0;padding:.6rem .8rem;font:inherit;color:inherit;background:var(--card);
border:1px solid var(--line);border-radius:.5rem}
input[type=search]:focus-visible{outline:3px solid var(--ring);border-color:var(--blue)}
button{padding:.6rem 1.1rem;font:inherit;font-weight:600;color:#fff;background:#0b67a3;border:0;border-radius:.5rem;cursor:pointer}
button:hover{background:#0a5a8f}
a{color:var(--blue)}
a:focus-visible,button:focus-visible,summary:focus-visible{outline:3px solid var(--ring);outline-offset:2px}
.frame{overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:.75rem}
table{width:100%;border-collapse:collapse}
th,td{padding:.55rem .75rem;text-align:right;white-space:nowrap;vertical-align:baseline;font-variant-numeric:tabular-nums}
th{font-size:.8rem;font-weight:600;color:var(--soft);border-bottom:1px solid var(--line)}
td{border-top:1px solid var(--line)}
tbody tr:first-child td{border-top:0}
tbody tr:hover{background:var(--hover)}
th:first-child,td:first-child{text-align:left;white-space:normal;width:100%;min-width:14rem;padding-left:1rem}
th:last-child,td:last-child{padding-right:1rem}
td:first-child{overflow-wrap:anywhere;unicode-bidi:isolate}
.name{display:block;position:relative;padding-left:1.2em;font-weight:600}
.name::before{content:"";position:absolute;left:0;top:.5em;width:.55em;height:.55em;border-radius:50%;background:var(--grey)}
.alive .name::before{background:var(--green)}
.waiting .name::before{background:var(--amber)}
.alive .seeds{color:var(--green);font-weight:600}
.dim,td.zero{color:var(--soft)}
td.get{text-align:left}
td.get a+a,td.get details{margin-left:.75rem}
td.get details{display:inline}
td.get summary{display:inline;color:var(--blue);cursor:pointer;list-style:none;text-decoration:underline}
td.get summary::-webkit-details-marker{display:none}
td.get code{display:block;width:max-content;max-width:min(36rem,80vw);margin-top:.4rem;white-space:normal;user-select:all}
.empty{padding:2.5rem 1.25rem;text-align:center;color:var(--soft)}
.empty strong{display:block;margin-bottom:.5rem;font-size:1.1rem;color:var(--ink)}
code{display:inline-block;max-width:100%;padding:.35rem .6rem;font:.9em/1.5 ui-monospace,"SF Mono",Menlo,Consolas,monospace;
color:var(--ink);background:var(--hover);border:1px solid var(--line);border-radius:.4rem;overflow-wrap:anywhere;text-align:left}
.empty p{margin:.5rem 0 0}
nav{display:grid;grid-template-columns:1fr auto 1fr;gap:1rem;margin:1rem 0;color:var(--soft)}
nav span:last-child{text-align:right}
footer{padding-top:1.25rem;padding-bottom:2rem;color:var(--soft);font-size:.85rem}
footer p{margin:.25rem 0}
@media (max-width:46rem){
header{padding-top:1.25rem}
thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
table,tbody,tr,td{display:block}
tbody tr{padding:.75rem 1rem;border-top:1px solid var(--line)}
tbody tr:first-child{border-top:0}
td,td:first-child,td:last-child{display:inline;padding:0;border:0;text-align:left}
td:first-child{display:block;margin-bottom:.25rem}
td,td:last-child{margin-right:.75rem;font-size:.9rem;color:var(--soft)}
td:first-child{margin-right:0;font-size:1rem;color:inherit}
td[data-label]::after{content:" " attr(data-label)}
td.seen::before{content:"seed seen "}
.alive td.seen{display:none}

td.get{display:block;margin-top:.25rem;font-size:1rem}
[hidden],tbody tr[hidden]{display:none}
}
`

/** Narrows what the page shows while the user types; without it the form asks the server. */
export const SCRIPT = `
"use strict"
const field = document.querySelector("input[type=search]")
const rows = Array.from(document.querySelectorAll("tbody tr"), (row) => [row, fold(row.dataset.name)])
const none = document.querySelector("#none")
const shown = document.querySelector("#shown")
function fold(text) {
  return text.normalize("NFD").toUpperCase().toLowerCase()
}
function narrow() {
  const words = fold(field.value).split(/\\s+/)
  let count = 0
  for (const [row, text] of rows) {
    row.hidden = !words.every((word) => text.includes(word) || (word.length > 7 && row.id.startsWith(word)))
    if (!row.hidden) count++
  }
  none.hidden = count > 0
  shown.textContent = count === rows.length ? "" : count + " of " + rows.length + " on this page"
}
if (rows.length > 0) field.addEventListener("input", narrow)
`

export const ICON = `data:image/svg+xml,${
  encodeURIComponent(
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><path fill="#1d86c9" d="M16 2c6 8 10 12 10 18a10 10 0 0 1-20 0C6 14 10 10 16 2z"/></svg>`
  )
}`
