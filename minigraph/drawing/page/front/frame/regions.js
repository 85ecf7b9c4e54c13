// The frame: header, picture, side bar with tabs, strips under the picture.

{
    const h = page.h;
    const graph = page.graph;
    /** @type {{panel: Panel, tab: HTMLElement, order: number}[]} */
    const side = [];
    /** @type {(number: number, word: string) => string} */
    const count = (number, word) => `${page.number(number)} ${word}${number === 1 ? "" : "s"}`;
    const about = [
        count(graph.nodes.filter((node) => node.role === "module").length, "module"),
        graph.parameters ? count(graph.parameters, "parameter") : null,
        graph.inputs ? `${count(graph.inputs, "input")}, ${count(graph.outputs || 0, "output")}` : null,
    ].filter(Boolean).join(" \u00b7 ");

    const tools = h("div", {class: "tools", role: "toolbar", "aria-label": "Page"});
    const stage = h("div", {id: "stage", tabindex: "0", role: "application", "aria-roledescription": "graph",
        "aria-label": "The graph. Arrow keys go from node to node, slash searches, question mark lists all keys."});
    const under = h("div", {id: "under"});
    const tabs = h("div", {class: "tabs", role: "tablist", "aria-label": "Panels"});
    const panels = h("div", {class: "panels"});
    const sidebar = h("aside", {id: "side", "aria-label": "Details"}, tabs, panels);
    const header = h("header", {id: "header"},
        h("div", {class: "heading"}, h("h1", {title: page.data.title}, page.data.title), h("p", {class: "facts"}, about)),
        tools);

    const given = document.getElementById("stage");
    const picture = given?.querySelector("svg");
    if (!given || !picture) throw new Error("there is no picture");
    given.remove();
    const sheet = h("div", {id: "sheet"}, picture);
    stage.append(sheet);
    document.body.prepend(
        header,
        h("main", {id: "main"}, h("div", {id: "centre"}, stage, under), sidebar),
        h("div", {id: "live", role: "status", "aria-live": "polite"}));

    page.stage = stage;
    page.sheet = sheet;
    page.picture = picture;
    page.header = header;
    page.tools = tools;

    /** @param {string} id */
    function show(id) {
        for (const {panel, tab} of side) {
            const chosen = panel.id === id;
            panel.element.hidden = !chosen;
            tab.setAttribute("aria-selected", String(chosen));
            tab.tabIndex = chosen ? 0 : -1;
        }
    }

    /**
     * @param {Panel} panel
     * @param {number} order
     */
    function sidePanel(panel, order) {
        const tab = h("button", {class: "tab", role: "tab", id: `tab-${panel.id}`, "aria-controls": `panel-${panel.id}`,
            onclick: () => panel.show()}, panel.title);
        panel.element = h("section", {class: "panel", id: `panel-${panel.id}`, role: "tabpanel", tabindex: "-1",
            "aria-labelledby": tab.id});
        panel.show = () => show(panel.id);
        panel.hide = () => { if (panel.shown && side.length) show(side[0].panel.id); };
        side.push({panel, tab, order});
        side.sort((a, b) => a.order - b.order);
        tabs.replaceChildren(...side.map((each) => each.tab));
        panels.append(panel.element);
        show(side[0].panel.id);
    }

    tabs.addEventListener("keydown", (event) => {
        const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
        if (!step) return;
        const now = side.findIndex(({tab}) => tab === document.activeElement);
        const next = side[(now + step + side.length) % side.length];
        next.panel.show();
        next.tab.focus();
        event.preventDefault();
        event.stopPropagation();
    });

    /**
     * @param {Panel} panel
     * @param {number} order
     */
    function bottomPanel(panel, order) {
        panel.element = h("section", {class: "strip", id: `panel-${panel.id}`, "aria-label": panel.title});
        panel.element.style.order = String(order);
        panel.show = () => { panel.element.hidden = false; };
        panel.hide = () => { panel.element.hidden = true; };
        under.append(panel.element);
    }

    page.panel = ({id, title, place = "side", order = 50}) => {
        const panel = /** @type {Panel} */ ({id, title, get shown() { return !this.element?.hidden; }});
        (place === "bottom" ? bottomPanel : sidePanel)(panel, order);
        return panel;
    };

    /** @param {Element} tool */
    const orderOf = (tool) => Number(tool.getAttribute("data-order"));

    page.tool = ({id, title, icon, onclick, order = 50}) => {
        const button = h("button", {class: "button quiet", id, title, "aria-label": title, onclick}, icon);
        button.dataset.order = String(order);
        tools.append(button);
        tools.append(...[...tools.children].sort((a, b) => orderOf(a) - orderOf(b)));
        return button;
    };
}
