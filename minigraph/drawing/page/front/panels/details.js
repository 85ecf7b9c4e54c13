// What is known of the selected node; of the whole graph where none is selected.

page.part("details", () => {
    const h = page.h;
    const panel = page.panel({id: "node", title: "Node", order: 10});
    /** @type {Record<string, string>} */
    const TROUBLES = {nan: "\u26a0 NaN or Inf in the output", failed: "\u26a0 failed here"};

    /** @param {number} id */
    const nodeButton = (id) => {
        const node = page.node(id);
        return h("button", {class: "link", onclick: () => page.select(id, {center: true})},
            h("span", {class: "name"}, node.label), h("span", {class: "number"}, ` #${id}`));
    };
    /** @type {(title: string, ...content: Child[]) => HTMLElement} */
    const section = (title, ...content) => h("section", {class: "facts-of"}, h("h3", {}, title), content);
    /** @type {(name: string, ...value: Child[]) => Child} */
    const row = (name, ...value) => [h("dt", {}, name), h("dd", {}, value)];

    /** @type {(count: number, word: string) => string[]} */
    const some = (count, word) => (count ? [`${page.number(count)} ${word}`] : []);

    /**
     * @param {Data.Tensor | Data.MeasuredTensor} value
     * @returns {Child}
     */
    function statistics(value) {
        if (!("norm" in value)) return null;
        const bad = [...some(value.nan, "NaN"), ...some(value.inf, "Inf")].join(", ");
        const {min, max, mean, std, norm} = value;
        const cells = Object.entries({min, max, mean, std, norm}).map(([name, number]) =>
            h("div", {}, h("span", {}, name), h("b", {class: "tabular"}, page.number(number) || "\u2013")));
        return [h("div", {class: "statistics"}, cells),
            bad ? h("p", {class: "bad"}, `\u26a0 ${bad} of ${page.number(value.count)} entries`) : null];
    }

    /**
     * Of long tables the first entries are shown.
     * @param {string} name
     * @param {Data.Value} value
     * @returns {HTMLElement}
     */
    function valueBlock(name, value) {
        const head = h("p", {class: "value"}, h("b", {}, name), " ", page.shape(value),
            "dtype" in value ? h("span", {class: "number"}, ` ${value.dtype}`) : null);
        const inner = "entries" in value
            ? h("div", {class: "inner"}, value.entries.slice(0, 12).map((entry, i) =>
                (entry ? valueBlock(`[${i + 1}]`, entry) : h("p", {class: "value"}, h("b", {}, `[${i + 1}]`), " none"))))
            : statistics(value);
        return h("div", {class: "block"}, head, inner);
    }

    /** @param {PageNode} node */
    function slotsOf(node) {
        const tables = page.graph.tables;
        const rows = [...(tables.input || []), ...(tables.output || [])].filter((each) => each.node === node.id);
        if (!rows.length) return null;
        /** @param {string} path */
        const button = (path) => h("button", {class: "link code", onclick: () => page.selectSlot(path)}, path);
        return section("In the network\u2019s tables", h("ul", {class: "plain"}, rows.map((each) =>
            h("li", {}, button(each.path), ", its gradient is ", button(each.mirrors)))));
    }

    /** @param {PageNode} node */
    function inputsOf(node) {
        if (!node.inputs.length) return null;
        return section("Inputs", h("table", {class: "list"}, h("tbody", {}, node.inputs.map((edge) => h("tr", {},
            h("th", {scope: "row", class: "tabular"}, node.entry ? `entry ${node.entry}` : edge.slot), h("td", {}, nodeButton(edge.source)),
            h("td", {class: "shape"}, shapeOf(edge.source)))))));
    }

    /** @param {PageNode} node */
    function consumersOf(node) {
        if (!node.consumers.length) return null;
        return section("Feeds", h("table", {class: "list"}, h("tbody", {}, node.consumers.map((edge) => {
            const many = page.node(edge.target).inputs.length > 1;
            return h("tr", {}, h("td", {}, nodeButton(edge.target)),
                h("td", {class: "shape"}, many ? `as its input ${edge.slot}` : ""));
        }))));
    }

    /** @param {number} id */
    const shapeOf = (id) => {
        const {output} = page.node(id);
        return output ? page.shape(output) : "";
    };

    /** @type {(node: PageNode, view: Data.View) => string[]} */
    const turn = (node, view) => {
        const order = page.inOrder(view);
        const place = order.indexOf(node) + 1;
        return place ? [`${view} ${place} of ${order.length}`] : [];
    };

    /** @param {PageNode} node */
    function aboutNode(node) {
        const turns = [...turn(node, "forward"), ...turn(node, "backward")].join(", ");
        const roles = node.marks.filter((mark) => !TROUBLES[mark]);
        return h("dl", {class: "facts-list"},
            node.module ? row("Module", h("code", {}, node.module)) : row("Module", "none, it passes on what it gets"),
            node.arguments.map(({name, value}) => row(name, h("code", {}, value))),
            node.layer ? row("Layer", node.layer) : null,
            roles.length ? row("Role", roles.join(", ")) : null,
            node.marks.filter((mark) => TROUBLES[mark]).map((mark) => row("Trouble", h("span", {class: "bad"}, TROUBLES[mark]))),
            row("Made at", h("code", {class: "location"}, node.location)),
            turns ? row("Runs", turns) : null,
            Object.entries(node.notes).map(([name, value]) => row(name, value)));
    }

    /** @param {PageNode} node */
    function insideOf(node) {
        const inside = page.inside(node.id).map(({data}, which) => {
            const modules = data.graph.nodes.filter(({role}) => role === "module").length;
            return h("button", {class: "button", title: "Open the network inside (Enter, double click)",
                onclick: () => page.openInner(node.id, which)},
            `Open ${data.title}: ${page.number(modules)} module${modules === 1 ? "" : "s"}`);
        });
        return inside.length ? h("p", {class: "opens"}, inside) : null;
    }

    /** @param {PageNode} node */
    function showNode(node) {
        const family = page.graph.families.find(({key}) => key === node.family);
        /** @type {(HTMLElement | null)[]} */
        const blocks = [
            h("div", {class: "node-head"},
                h("h2", {}, node.name || node.label),
                h("p", {class: "kind"}, h("i", {class: "swatch", style: `--fill: var(--${node.family}-fill); --border: var(--${node.family}-border)`}),
                    family ? family.title : "table of the network", h("span", {class: "number"}, ` node ${node.id}`)),
                node.description ? h("p", {class: "description"}, node.description) : null),
            insideOf(node),
            aboutNode(node),
            slotsOf(node),
            inputsOf(node),
            consumersOf(node),
            node.output || node.gradOutput ? section(`Values of ${page.graph.moment || "the last pass"}`,
                node.output ? valueBlock("output", node.output) : null,
                node.gradOutput ? valueBlock("gradOutput", node.gradOutput) : null) : null,
            node.parameters.length ? section("Parameters", node.parameters.map((parameter) => [
                valueBlock(parameter.name, parameter.value),
                parameter.gradient ? h("div", {class: "inner"}, valueBlock("gradient", parameter.gradient)) : null])) : null,
            node.text ? section("Contents", h("pre", {}, node.text)) : null,
        ];
        panel.element.replaceChildren(...blocks.filter((block) => block !== null));
        panel.show();
    }

    function showGraph() {
        const visited = page.inOrder(page.view);
        panel.element.replaceChildren(
            h("div", {class: "node-head"}, h("h2", {}, "The whole graph"),
                h("p", {class: "hint"}, "Click a node, or press an arrow key, to see what it is. ",
                    "The tables say which entry is whose.")),
            h("dl", {class: "facts-list"},
                row("Nodes", page.number(page.graph.nodes.length)),
                row("Edges", page.number(page.graph.edges.length)),
                row("Parameters", page.number(page.graph.parameters)),
                row("Values", page.graph.ran.backward ? "of a forward and a backward pass"
                    : page.graph.ran.forward ? "of a forward pass" : page.graph.absent || "none: it has not run yet")),
            section("Colours", h("ul", {class: "legend"}, page.graph.families.map(({key, title}) => h("li", {},
                h("i", {class: `swatch ${key}`, style: `--fill: var(--${key}-fill); --border: var(--${key}-border)`}), title)))),
            visited.length ? section(`Order of the ${page.view} pass`, h("ol", {class: "plain order"},
                visited.slice(0, 200).map((node) => h("li", {title: node.label}, nodeButton(node.id))))) : "");
    }

    // The link that led to another node is gone with its text: the focus goes to the new one.
    page.on("select", (node) => {
        const reading = panel.element.contains(document.activeElement);
        if (node) showNode(node);
        else showGraph();
        if (reading) panel.element.focus({preventScroll: true});
        panel.element.parentElement?.scrollTo({top: 0});
    });
    page.on("view", () => { if (!page.selected) showGraph(); });
    showGraph();
});
