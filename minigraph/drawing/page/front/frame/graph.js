// The picture's elements and the data's records, brought together; marking and painting them.

{
    const svg = page.picture;
    const drawing = group("#graph0");
    const raised = page.s("g", {id: "raised"});
    const base = page.s("g", {id: "base"});

    base.append(...[...drawing.children].filter((child) => child.tagName === "g"));
    drawing.append(base, raised);
    page.drawing = drawing;

    /** @param {string} selector */
    function group(selector) {
        const found = /** @type {SVGGElement | null} */ (svg.querySelector(selector));
        if (!found) throw new Error(`the picture has no ${selector}`);
        return found;
    }

    page.shapesOf = (node, element) => {
        /** @type {SVGGraphicsElement | null} */
        const cell = node.box === node.id ? null : element.querySelector(`.cell[data-id="${node.id}"]`);
        /** @type {NodeListOf<SVGGraphicsElement>} */
        const outlines = element.querySelectorAll(".outline");
        return {element, cell, shapes: cell ? [cell] : [...outlines]};
    };

    for (const node of page.nodes.values()) {
        Object.assign(node, page.shapesOf(node, group(`#node${node.box}`)), {inputs: [], consumers: [], color: null});
    }
    for (const edge of page.edges) {
        edge.line = edge.element ? svg.querySelector(`#${edge.element}`) : null;
        page.node(edge.target).inputs.push(edge);
        page.node(edge.source).consumers.push(edge);
    }
    for (const node of page.nodes.values()) {
        if (node.box !== node.id) continue;
        const words = [node.label, node.type && node.type !== node.label ? node.module : "", ...node.marks,
            node.output ? `output ${page.shape(node.output)}` : ""];
        node.element.setAttribute("role", "img");
        node.element.setAttribute("aria-label", words.filter(Boolean).join(", "));
    }

    // Places in the picture's own coordinates, measured once.
    const matrix = drawing.transform.baseVal.consolidate()?.matrix;
    page.shift = {x: matrix?.e ?? 0, y: matrix?.f ?? 0};
    page.place = (record) => {
        const shape = "line" in record ? record.line : record.cell || record.element;
        if (!shape) throw new Error("the picture does not show this edge");
        if (!record.bounds) {
            const {x, y, width, height} = shape.getBBox();
            record.bounds = {x: x + page.shift.x, y: y + page.shift.y, width, height};
        }
        return record.bounds;
    };

    /** @type {Map<string, Set<Element>>} */
    const marked = new Map();

    page.mark = (name, {nodes = [], edges = [], elements = []} = {}) => {
        /** @type {Set<Element>} */
        const wanted = new Set(elements);
        for (const node of [...nodes].map(page.node)) wanted.add(node.cell || node.element);
        for (const edge of edges) if (edge.line) wanted.add(edge.line);
        for (const element of marked.get(name) || []) if (!wanted.has(element)) element.classList.remove(name);
        for (const element of wanted) element.classList.add(name);
        marked.set(name, wanted);
        page.emit("mark", name, wanted);
    };

    // What is lit goes to a group of its own, so that one opacity fades all the rest: a thousand
    // faded groups would be a thousand layers to blend in every frame.
    page.dim = (on) => {
        /** @type {Set<Element>} */
        const lit = new Set();
        for (const element of (on && marked.get("lit")) || []) lit.add(element.closest(".node, .edge") || element);
        for (const element of [...raised.children]) if (!lit.has(element)) base.append(element);
        for (const element of lit) raised.append(element);
        svg.classList.toggle("dimmed", on);
    };

    page.fill = ({element, cell, shapes}, color) => {
        for (const shape of shapes) {
            if (shape.getAttribute("fill") === "none") continue;
            if (color === null) shape.style.removeProperty("fill");
            else shape.style.setProperty("fill", color);
        }
        (cell || element).classList.toggle("painted", color !== null);
    };

    page.paint = (id, color) => {
        const node = page.node(id);
        page.fill(node, color);
        node.color = color;
        page.emit("paint", node);
    };

    // Everything that a node's value reaches, or comes from.
    page.reach = (start, way) => {
        const seen = new Set(start);
        /** @type {PageEdge[]} */
        const edges = [];
        const queue = [...start];
        for (const id of queue) {
            const node = page.node(id);
            for (const edge of way === "forward" ? node.consumers : node.inputs) {
                edges.push(edge);
                const next = way === "forward" ? edge.target : edge.source;
                if (!seen.has(next)) {
                    seen.add(next);
                    queue.push(next);
                }
            }
        }
        return {nodes: seen, edges};
    };

    page.view = page.data.view || "forward";
    page.setView = (view) => {
        page.view = view;
        svg.classList.toggle("backward", view === "backward");
        svg.classList.toggle("forward", view !== "backward");
        page.emit("view", view);
    };
    page.on("ready", () => page.setView(page.view));
}
