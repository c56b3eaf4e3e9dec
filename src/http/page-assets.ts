/** One look for all pages of ours; follows the reader's light or dark preference. */
export const pageStyle = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: light-dark(#f5f5f2, #161618); }
.card { box-sizing: border-box; width: min(26rem, calc(100vw - 2rem)); padding: 2rem; border-radius: 1rem;
  background: light-dark(#fff, #222226); box-shadow: 0 1px 3px #0003, 0 8px 30px #0001; }
h1 { margin: 0 0 .75rem; font-size: 1.35rem; }
label { display: grid; gap: .35rem; margin: 1rem 0; font-weight: 600; }
input { font: inherit; padding: .6rem .75rem; border: 1px solid light-dark(#c6c6c2, #55555c); border-radius: .5rem; background: transparent; color: inherit; }
input[name=code] { font: 1.25rem ui-monospace, monospace; letter-spacing: .08em; text-transform: uppercase; }
button, .button { display: inline-block; font: inherit; font-weight: 600; padding: .6rem 1.1rem; border: 0; border-radius: .5rem;
  background: light-dark(#1d1d1f, #f2f2ef); color: light-dark(#fff, #161618); cursor: pointer; text-decoration: none; }
button[disabled] { opacity: .6; cursor: default; }
.alert { padding: .6rem .8rem; border-radius: .5rem; background: light-dark(#fdecea, #4a1f1c); overflow-wrap: anywhere; }
.hint { margin: 1.25rem 0 0; font-size: .875rem; opacity: .75; }
`;

/**
 * On a status page: starts the instance when asked to, and reloads once the status is another one. It asks every two seconds,
 * and less often the longer nothing changes. Where the machine did not answer it reloads, after pauses that grow.
 */
export const pageScript = `
const main = document.querySelector("main[data-status]");
const shown = main?.dataset.status;
const read = () => Number(sessionStorage.getItem("kiloclaw-pause")) || 2000;
if (shown === "unreachable" || shown === "unavailable") {
  const pause = read();
  sessionStorage.setItem("kiloclaw-pause", String(Math.min(pause * 1.5, 60000)));
  setTimeout(() => location.reload(), pause);
} else {
  sessionStorage.removeItem("kiloclaw-pause");
}
if (main && shown !== "unreachable" && shown !== "unavailable") {
  let pause = 2000;
  const look = async () => {
    try {
      const response = await fetch("/api/kiloclaw/status", { headers: { accept: "application/json" } });
      if (response.status === 401) return location.reload();
      if (response.ok && (await response.json()).status !== shown) return location.reload();
      pause = Math.min(pause * 1.05, 15000);
    } catch {
      pause = Math.min(pause * 1.5, 30000);
    }
    setTimeout(look, pause);
  };
  setTimeout(look, pause);
  const button = document.querySelector("[data-action=start]");
  if (button) button.addEventListener("click", async () => {
    button.disabled = true;
    button.textContent = "Starting…";
    pause = 1000;
    await fetch("/api/kiloclaw/start", { method: "POST" }).catch(() => {});
    location.reload();
  });
}
`;
