// The tables of the network: the node of each slot. A click lights what the slot feeds.

page.part("tables", () => {
    const {h, graph} = page;
    const {input = [], output = [], gradOutput = [], gradInput = []} = graph.tables;
    if (!input.length) return;
    const panel = page.panel({id: "tables", title: "Tables", order: 20});
    /** @type {Map<string, HTMLElement>} */
    const buttons = new Map();
    const answer = h("div", {class: "answer", "aria-live": "polite"});
    const lists = h("div", {class: "slot-tables"});
    /** @type {"path" | "python"} */
    let notation = "path";

    /** @param {string} path */
    const choose = (path) => page.selectSlot(page.slot && page.slot.path === path ? null : path);

    /** @param {Data.Row} row */
    function slotButton(row) {
        const button = h("button", {class: "slot-button code", "aria-pressed": "false", "data-path": row.path,
            onclick: () => choose(row.path)}, row[notation]);
        buttons.set(row.path, button);
        return h("td", {}, button);
    }

    /**
     * @param {string} name
     * @param {Data.Row[]} slots
     * @param {string} gradient
     * @param {string} explanation
     */
    function table(name, slots, gradient, explanation) {
        const rows = slots.map((row) => h("tr", {"data-depth": row.depth},
            slotButton(row), slotButton(page.row(row.mirrors)),
            h("td", {class: "whose"}, h("button", {class: "link", onclick: () => page.select(row.node, {center: true})}, row.label)),
            h("td", {class: "shape"}, row.entries ? `table of ${row.entries}` : row.shape ? page.sizes(row.shape) : "")));
        return h("table", {class: "slots"}, h("caption", {}, explanation),
            h("thead", {}, h("tr", {}, h("th", {scope: "col"}, name), h("th", {scope: "col"}, gradient),
                h("th", {scope: "col"}, "node"), h("th", {scope: "col"}, "shape"))),
            h("tbody", {}, rows));
    }

    function fill() {
        buttons.clear();
        lists.replaceChildren(
            table("input", input, "gradInput", "forward takes input, backward returns gradInput"),
            table("output", output, "gradOutput", "forward returns output, backward takes gradOutput"));
    }

    /** @param {string} path */
    const link = (path) => h("button", {class: "link code", onclick: () => page.selectSlot(path)}, path);
    // A comma or full stop stays on the line of its path.
    /** @type {(path: string, mark: string) => HTMLElement} */
    const ended = (path, mark) => h("span", {class: "nowrap"}, link(path), mark);
    /** @type {(rows: Data.Row[]) => Child[]} */
    const listed = (rows) => rows.map((row, i) => {
        const rest = rows.length - 1 - i;
        return [ended(row.path, rest > 1 ? "," : rest ? "" : "."), rest === 1 ? " and " : " "];
    });

    const SENTENCES = {
        input: ["is what ", " takes. It reaches ", "and gets to "],
        gradInput: ["is the gradient of ", ". It is gathered from ", "and comes from "],
        output: ["is what ", " gives. It depends on ", "and on "],
        gradOutput: ["is the gradient of ", ". It flows back to ", "and arrives in "],
    };

    /** @param {Data.Row | null} row */
    function explain(row) {
        if (!row) {
            answer.replaceChildren(h("p", {class: "hint"}, "Click a slot, here or in the picture: what it feeds lights up."));
            return;
        }
        const node = page.node(row.node);
        const gradient = page.isGradient(row);
        const reached = page.slotsReached(row);
        const count = page.reach([row.node], page.isInput(row) ? "forward" : "backward").nodes.size;
        const what = SENTENCES[page.isInput(row) ? (gradient ? "gradInput" : "input") : gradient ? "gradOutput" : "output"];
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
        for (const [path, button] of buttons) button.setAttribute("aria-pressed", String(path === row?.path));
        explain(row);
        if (!row) return;
        panel.show();
        const end = page.isInput(row) ? "forward" : "backward";
        page.revealAll([row.node, ...page.reach([row.node], end).nodes]);
        const button = buttons.get(row.path);
        if (button) button.scrollIntoView({block: "nearest"});
    });

    /** @type {(key: "path" | "python", title: string) => HTMLElement} */
    const notationButton = (key, title) => h("button", {class: "button", "aria-pressed": String(key === notation),
        onclick: () => {
            notation = key;
            for (const button of notations) button.setAttribute("aria-pressed", String(button.textContent === title));
            fill();
            page.emit("slot", page.slot);
        }}, title);
    const notations = [notationButton("path", "Torch, from 1"), notationButton("python", "Python, from 0")];

    panel.element.append(answer, h("div", {class: "switch", role: "group", "aria-label": "Notation"}, notations), lists,
        h("p", {class: "hint"}, "None anywhere in gradOutput means a zero gradient for that slot."));
    fill();
    explain(null);

    // One key a table: it goes through the slots one by one.
    /** @type {(rows: Data.Row[]) => () => void} */
    const walk = (rows) => () => {
        const now = page.slot ? rows.indexOf(page.slot) : -1;
        page.selectSlot(rows[(now + 1) % rows.length].path);
    };
    page.key("i", "next slot of input", walk(input), "Slots");
    page.key("o", "next slot of output", walk(output), "Slots");
    page.key("g", "next slot of gradOutput", walk(gradOutput), "Slots");
    page.key("G", "next slot of gradInput", walk(gradInput), "Slots");
});
