// The history of calls: sorted here, so that it goes on while the kernel is busy.
// What comes from the network only ever becomes the text of an element.

const COLUMNS = [
  ["Time", (row) => row.number],
  ["Request", (row) => row.call],
  ["Outcome", (row) => row.outcome],
  ["Took", (row) => row.seconds],
];

function compare(a, b) {
  return typeof a === "number" ? a - b : a.localeCompare(b);
}

function make(tag, text = "", name = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  element.className = name;
  return element;
}

function notebookCells(model) {
  // not everywhere: neither in Voilà nor in other programs that show notebooks
  const cells = model.widget_manager?.context?.model?.sharedModel;
  return typeof cells?.insertCell === "function" ? cells : null;
}

function render({ model, el }) {
  let column = 0;
  let down = true;
  let reachable = 0; // the row that the Tab key leads to
  const voice = makeVoice();

  const chosenRow = () => {
    const rows = model.get("rows");
    return rows.find((row) => row.number === model.get("chosen")) ?? rows.at(-1);
  };
  const insertCell = (button) => {
    const cells = notebookCells(model);
    const here = el.closest("[data-windowed-list-index]")?.dataset.windowedListIndex;
    const index = here === undefined ? cells.cells.length : Number(here) + 1;
    cells.insertCell(index, { cell_type: "code", source: model.get("script"), metadata: {} });
    say(button, voice, true, "Inserted as a cell below");
  };

  const bar = make("div", "", "msl-bar");
  bar.append(
    make("b", "History"),
    makeButton("Fill in again", "Put the arguments of the chosen call back into the form", () =>
      model.send({ fill: chosenRow().number })),
    makeButton("Copy line", "Copy the chosen call as Python", (button) =>
      copyAndSay(chosenRow().code, button, voice)),
    makeButton("Copy all", "Copy all calls as Python, with the lines that connect and link",
      (button) => copyAndSay(model.get("script"), button, voice)),
  );
  if (notebookCells(model)) {
    bar.append(makeButton("Insert as cell", "Insert all calls as a cell below", insertCell));
  }
  bar.append(voice);

  const table = make("table", "", "msl-table msl-history");
  table.setAttribute("aria-label", "History of calls");
  const head = table.createTHead().insertRow();
  const sorters = COLUMNS.map(([name], index) => {
    const cell = make("th");
    cell.scope = "col";
    const sorter = make("button", "", "msl-sorter");
    sorter.type = "button";
    sorter.title = `Sort by ${name.toLowerCase()}`;
    const sign = make("span");
    sign.setAttribute("aria-hidden", "true");
    sorter.append(name, sign);
    sorter.addEventListener("click", () => {
      down = column === index ? !down : index === 0;
      column = index;
      draw();
    });
    cell.append(sorter);
    head.append(cell);
    return [cell, sign];
  });
  const body = table.createTBody();

  const choose = (row) => {
    model.set("chosen", row.number);
    model.send({ choose: row.number });
    model.save_changes();
  };
  const move = (event) => {
    const buttons = [...body.querySelectorAll("button")];
    const at = buttons.indexOf(event.target);
    const next = {
      ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1,
    }[event.key];
    if (at < 0 || next === undefined) {
      return;
    }
    event.preventDefault();
    buttons[at].tabIndex = -1;
    const target = buttons[Math.max(0, Math.min(next, buttons.length - 1))];
    target.tabIndex = 0;
    target.focus();
    reachable = Number(target.dataset.number);
  };
  body.addEventListener("keydown", move);

  function drawRow(row) {
    const line = body.insertRow();
    const isChosen = row.number === model.get("chosen");
    line.append(make("td", row.began, "msl-whole"));
    const button = make("button", (isChosen ? "▸ " : "") + row.call, "msl-choice msl-mono");
    button.type = "button";
    button.title = "Show its result again";
    button.dataset.number = row.number;
    button.tabIndex = row.number === reachable ? 0 : -1;
    if (isChosen) {
      button.setAttribute("aria-current", "true");
    }
    button.addEventListener("click", () => choose(row));
    const cell = make("td");
    cell.append(button);
    line.append(cell, make("td", row.outcome), make("td", row.took, "msl-number msl-whole"));
  }

  function draw() {
    const key = COLUMNS[column][1];
    const rows = [...model.get("rows")];
    rows.sort((a, b) => (compare(key(a), key(b)) || a.number - b.number) * (down ? -1 : 1));
    sorters.forEach(([cell, sign], index) => {
      const order = index === column ? (down ? "descending" : "ascending") : "none";
      cell.setAttribute("aria-sort", order);
      sign.textContent = { descending: " ▼", ascending: " ▲", none: "" }[order];
    });
    if (!rows.some((row) => row.number === reachable)) {
      reachable = rows[0]?.number ?? 0;
    }
    const hadFocus = body.contains(document.activeElement);
    body.replaceChildren();
    rows.forEach(drawRow);
    if (hadFocus) {
      body.querySelector('button[tabindex="0"]')?.focus({ preventScroll: true });
    }
    // not the element itself, the display of which is that of the widget
    whole.style.display = rows.length ? "" : "none";
  }

  const scroll = make("div", "", "msl-scroll msl-history-scroll");
  scroll.append(table);
  const whole = make("div");
  whole.append(bar, scroll);
  el.append(whole);
  // else the keys of the notebook would move its cells
  el.dataset.lmSuppressShortcuts = "true";
  model.on("change:rows", draw);
  model.on("change:chosen", draw);
  draw();
  return () => {
    model.off("change:rows", draw);
    model.off("change:chosen", draw);
  };
}

export default { render };
