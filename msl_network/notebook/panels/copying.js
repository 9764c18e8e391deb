// Text into the clipboard, and a button that does so and says so.

async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // no permission, or a page that came over plain HTTP from another computer
  }
  const before = document.activeElement;
  const area = document.createElement("textarea");
  area.value = text;
  area.style.cssText = "position: fixed; top: 0; opacity: 0";
  document.body.append(area);
  area.select();
  try {
    return document.execCommand("copy");
  } catch {
    return false;
  } finally {
    area.remove();
    before?.focus?.({ preventScroll: true });
  }
}

function makeButton(label, title, act) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "jupyter-button widget-button msl-small";
  button.textContent = label;
  button.title = title;
  button.addEventListener("click", () => act(button));
  return button;
}

// What a screen reader says, and everybody can read if it failed.
function makeVoice() {
  const voice = document.createElement("span");
  voice.className = "msl-heard";
  voice.setAttribute("role", "status");
  return voice;
}

// Say for some seconds how it went, on the button itself, which keeps its size.
function say(button, voice, done, text) {
  button.dataset.label ??= button.textContent;
  button.style.minWidth = `${button.offsetWidth}px`;
  button.textContent = done ? "✓ Done" : "✗ Failed";
  voice.className = done ? "msl-heard" : "msl-quiet";
  voice.textContent = text;
  clearTimeout(Number(button.dataset.timer));
  button.dataset.timer = setTimeout(() => {
    button.textContent = button.dataset.label;
    voice.textContent = "";
  }, 3000);
}

async function copyAndSay(text, button, voice) {
  if (!text) {
    say(button, voice, false, "Too long to be copied here: it is in the panel's history.");
  } else if (await copyText(text)) {
    say(button, voice, true, "Copied");
  } else {
    say(button, voice, false, "The browser does not allow it: select the text, then copy it.");
  }
}
