// Search over nodes and slots: type a name, a module, a number, a file or a path such as gradOutput[2].

page.part("search", () => {
    const {h} = page;
    const MOST = 60;
    /** @typedef {{title: string, hint: string, number: string, text: string, node?: PageNode, row?: Data.Row}} Entry */
    /** @type {Entry[]} */
    const entries = [
        ...[...page.nodes.values()].filter((node) => node.role === "module" || node.name).map((node) => ({
            title: node.label, hint: node.name ? node.module : "", number: `#${node.id}`, node,
            text: `${node.name} ${node.module} #${node.id} ${node.location} ${node.description} ${node.marks.join(" ")}`,
        })),
        ...[...page.rows.values()].map((row) => ({
            title: row.path, hint: row.label, number: "slot", row, text: `${row.path} ${row.python} ${row.label}`,
        })),
    ].map((entry) => ({...entry, text: entry.text.toLowerCase()}));

    const input = h("input", {type: "search", id: "search", placeholder: "Search", autocomplete: "off", spellcheck: "false",
        role: "combobox", "aria-expanded": "false", "aria-controls": "found", "aria-autocomplete": "list",
        "aria-label": "Search nodes and slots"});
    const list = h("ul", {id: "found", role: "listbox", "aria-label": "Results", hidden: true});
    const box = h("div", {class: "search"}, input, h("kbd", {"aria-hidden": "true"}, "/"), list);
    /** @type {Entry[]} */
    let found = [];
    let chosen = -1;

    /**
     * Names that begin with the words come first, then names that contain them, then the rest.
     * @param {Entry} entry
     * @param {string[]} words
     */
    function rank(entry, words) {
        const title = entry.title.toLowerCase();
        if (!words.every((word) => entry.text.includes(word) || title.includes(word))) return -1;
        const first = title.indexOf(words[0]);
        return first === 0 ? 0 : first > 0 ? 1 : 2;
    }

    function look() {
        const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
        found = !words.length ? [] : entries.map((entry) => ({order: rank(entry, words), entry}))
            .filter(({order}) => order >= 0)
            .sort((a, b) => a.order - b.order || a.entry.title.localeCompare(b.entry.title, "en", {numeric: true}))
            .map(({entry}) => entry);
        page.mark("found", {nodes: found.flatMap(({node}) => (node ? [node.id] : []))});
        choose(found.length ? 0 : -1);
        show(words.length > 0);
        if (words.length) page.say(`${found.length} found`);
    }

    /** @param {boolean} on */
    function show(on) {
        list.hidden = !on;
        input.setAttribute("aria-expanded", String(on));
        if (!on) return;
        list.replaceChildren(...found.slice(0, MOST).map((entry, i) => h("li", {
            role: "option", id: `found-${i}`, "aria-selected": String(i === chosen),
            onpointerdown: (event) => { event.preventDefault(); take(entry); },
        }, h("b", {class: entry.row ? "code" : ""}, entry.title), h("span", {class: "hint"}, entry.hint),
        h("span", {class: "number"}, entry.number))));
        if (!found.length) list.append(h("li", {class: "none"}, "Nothing of that name, module, file or path"));
        if (found.length > MOST) list.append(h("li", {class: "none"}, `and ${page.number(found.length - MOST)} more`));
    }

    /** @param {number} index */
    function choose(index) {
        chosen = index;
        [...list.querySelectorAll("[role=option]")].forEach((option, i) => {
            option.setAttribute("aria-selected", String(i === chosen));
            if (i === chosen) option.scrollIntoView({block: "nearest"});
        });
        if (chosen >= 0) input.setAttribute("aria-activedescendant", `found-${chosen}`);
        else input.removeAttribute("aria-activedescendant");
    }

    /** @param {Entry} entry */
    function take({node, row}) {
        show(false);
        page.mark("found");
        input.blur();
        page.stage.focus({preventScroll: true});
        if (row) {
            page.selectSlot(row.path);
            page.reveal([row.node]);
        } else if (node) page.select(node.id, {center: true});
    }

    input.addEventListener("input", look);
    input.addEventListener("focus", () => { if (input.value) look(); });
    input.addEventListener("blur", () => { show(false); page.mark("found"); });
    input.addEventListener("keydown", (event) => {
        const most = Math.min(found.length, MOST);
        if (event.key === "ArrowDown" && most) choose((chosen + 1) % most);
        else if (event.key === "ArrowUp" && most) choose((chosen - 1 + most) % most);
        else if (event.key === "Enter" && found[chosen]) take(found[chosen]);
        else if (event.key === "Escape") {
            input.value = "";
            input.blur();
            page.stage.focus({preventScroll: true});
        } else return;
        event.preventDefault();
        event.stopPropagation();
    });
    page.header.insertBefore(box, page.tools);
    page.key("/", "search", () => { input.focus(); input.select(); }, "Page");
});
