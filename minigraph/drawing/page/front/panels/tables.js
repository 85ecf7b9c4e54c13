// The tables of the network: which slot is whose. A click lights what the slot feeds.

page.part("tables", () => {
    const {h, graph} = page;
    if (!graph.tables.input) return;
    const panel = page.panel({id: "tables", title: "Tables", order: 20});
    const buttons = new Map();
    const answer = h("div", {class: "answer", "aria-live": "polite"});
    const lists = h("div", {class: "slot-tables"});
    let notation = "path";

    const choose = (path) => page.selectSlot(page.slot && page.slot.path === path ? null : path);

    function slotButton(row) {
        const button = h("button", {class: "slot-button code", "aria-pressed": "false", "data-path": row.path,
            onclick: () => choose(row.path)}, row[notation]);
        buttons.set(row.path, button);
        return h("td", {}, button);
    }

    function table(name, gradient, explanation) {
        const rows = graph.tables[name].map((row) => h("tr", {"data-depth": row.depth},
            slotButton(row), slotButton(page.rows.get(row.mirrors)),
            h("td", {class: "whose"}, h("button", {class: "link", onclick: () => page.select(row.node, {center: true})}, row.label)),
            h("td", {class: "shape"}, row.entries ? `table of ${row.entries}` : row.shape ? page.shape(row) : "")));
        return h("table", {class: "slots"}, h("caption", {}, explanation),
            h("thead", {}, h("tr", {}, h("th", {scope: "col"}, name), h("th", {scope: "col"}, gradient),
                h("th", {scope: "col"}, "node"), h("th", {scope: "col"}, "shape"))),
            h("tbody", {}, rows));
    }

    function fill() {
        buttons.clear();
        lists.replaceChildren(
            table("input", "gradInput", "forward takes input, backward returns gradInput"),
            table("output", "gradOutput", "forward returns output, backward takes gradOutput"));
    }

    const link = (path) => h("button", {class: "link code", onclick: () => page.selectSlot(path)}, path);
    // A comma or full stop stays on the line of its path.
    const ended = (path, mark) => h("span", {class: "nowrap"}, link(path), mark);
    const listed = (rows) => rows.map((row, i) => {
        const rest = rows.length - 1 - i;
        return [ended(row.path, rest > 1 ? "," : rest ? "" : "."), rest === 1 ? " and " : " "];
    });

    function explain(row) {
        if (!row) {
            answer.replaceChildren(h("p", {class: "hint"}, "Click a slot, here or in the picture: what it feeds lights up."));
            return;
        }
        const node = page.nodes.get(row.node);
        const gradient = row.path.startsWith("grad");
        const input = /^(gradI|i)nput/.test(row.path);
        const reached = page.slotsReached(row);
        const count = page.reach([row.node], input ? "forward" : "backward").nodes.size;
        const what = {
            input: ["is what ", " takes. It reaches ", "and gets to "],
            gradInput: ["is the gradient of ", ". It is gathered from ", "and comes from "],
            output: ["is what ", " gives. It depends on ", "and on "],
            gradOutput: ["is the gradient of ", ". It flows back to ", "and arrives in "],
        }[row.path.split("[")[0]];
        answer.replaceChildren(
            h("p", {class: "path"}, h("b", {class: "code"}, row.path),
                row.python === row.path ? "" : h("span", {}, " in Python ", h("b", {class: "code"}, row.python))),
            h("p", {}, what[0], h("button", {class: "link", onclick: () => page.select(row.node, {center: true})}, row.label),
                ` (node ${row.node})`, what[1], `${page.number(count)} of ${page.number(graph.nodes.length)} nodes`,
                reached.length ? [", ", what[2], listed(reached)] : "."),
            h("p", {}, gradient ? "Same place as " : "Its gradient has the same place: ", ended(row.mirrors, ".")));
        page.say(`${row.path} is ${node.label}; it reaches ${count} nodes`);
    }

    page.on("slot", (row) => {
        for (const [path, button] of buttons) button.setAttribute("aria-pressed", String(Boolean(row) && path === row.path));
        explain(row);
        if (!row) return;
        panel.show();
        const end = /^(gradI|i)nput/.test(row.path) ? "forward" : "backward";
        page.revealAll([row.node, ...page.reach([row.node], end).nodes]);
        const button = buttons.get(row.path);
        if (button) button.scrollIntoView({block: "nearest"});
    });

    const notations = [["path", "Torch, from 1"], ["python", "Python, from 0"]].map(([key, title]) =>
        h("button", {class: "button", "aria-pressed": String(key === notation), onclick: () => {
            notation = key;
            notations.forEach((button, i) => button.setAttribute("aria-pressed", String(i === ["path", "python"].indexOf(key))));
            fill();
            page.emit("slot", page.slot);
        }}, title));

    panel.element.append(answer, h("div", {class: "switch", role: "group", "aria-label": "Notation"}, notations), lists,
        h("p", {class: "hint"}, "None anywhere in gradOutput means a zero gradient for that slot."));
    fill();
    explain(null);

    // One key a table: it goes through the slots one by one.
    const walk = (names) => () => {
        const rows = names.flatMap((name) => graph.tables[name]);
        const now = rows.indexOf(page.slot);
        page.selectSlot(rows[(now + 1) % rows.length].path);
    };
    page.key("i", "next slot of input", walk(["input"]), "Slots");
    page.key("o", "next slot of output", walk(["output"]), "Slots");
    page.key("g", "next slot of gradOutput", walk(["gradOutput"]), "Slots");
    page.key("G", "next slot of gradInput", walk(["gradInput"]), "Slots");
});
