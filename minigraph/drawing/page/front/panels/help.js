// The list of keys and gestures, in a dialog.

page.part("help", () => {
    const {h} = page;
    /** @type {[string, string][]} */
    const GESTURES = [
        ["drag", "move the picture"], ["scroll", "move the picture"], ["Ctrl scroll, pinch", "zoom"],
        ["click a node", "what it is"], ["click an entry of a table", "what it feeds"],
        ["double click a network", "what is inside"],
        ["Shift \u2190 \u2191 \u2192 \u2193", "move the picture"],
    ];

    /** @type {(name: string, what: string) => Child[]} */
    const keyRow = (name, what) => [h("dt", {}, h("kbd", {}, name)), h("dd", {}, what)];

    function contents() {
        /** @type {Map<string, Child[]>} */
        const groups = new Map();
        for (const {key, what, group} of page.keys.values()) {
            if (!group) continue;
            groups.set(group, [...groups.get(group) || [], keyRow(page.keyName(key), what)]);
        }
        groups.set("Mouse and touch", GESTURES.map(([name, what]) => keyRow(name, what)));
        return [...groups].map(([group, rows]) => h("section", {}, h("h3", {}, group), h("dl", {}, rows)));
    }

    const dialog = h("dialog", {id: "help", "aria-labelledby": "help-title"});
    dialog.addEventListener("click", (event) => {
        if (event.target === dialog) dialog.close();
    });
    document.body.append(dialog);

    function open() {
        dialog.replaceChildren(
            h("div", {class: "help-head"}, h("h2", {id: "help-title"}, "Keys"),
                h("button", {class: "button quiet", "aria-label": "Close", onclick: () => dialog.close()}, "\u2715")),
            h("div", {class: "help-body"}, contents()));
        dialog.showModal();
    }

    page.tool({order: 80, id: "open-help", title: "Keys (?)", icon: page.icon("help"), onclick: open});
    page.key("?", "this list", open, "Page");
});
