// The picture's elements and the data's records, brought together; marking and painting them.

{
    const svg = page.picture;
    const drawing = svg.querySelector("#graph0");
    const raised = page.s("g", {id: "raised"});
    const base = page.s("g", {id: "base"});

    base.append(...[...drawing.children].filter((child) => child.tagName === "g"));
    drawing.append(base, raised);
    page.drawing = drawing;

    for (const node of page.nodes.values()) {
        node.element = svg.querySelector(`#node${node.box}`);
        node.cell = node.box === node.id ? null : node.element.querySelector(`.cell[data-id="${node.id}"]`);
        node.shapes = node.cell ? [node.cell] : [...node.element.querySelectorAll(".outline")];
        node.inputs = [];
        node.consumers = [];
    }
    for (const edge of page.edges) {
        edge.line = edge.element ? svg.querySelector(`#${edge.element}`) : null;
        page.nodes.get(edge.target).inputs.push(edge);
        page.nodes.get(edge.source).consumers.push(edge);
    }
    for (const node of page.nodes.values()) {
        if (node.box !== node.id) continue;
        const words = [node.label, node.type && node.type !== node.label ? node.module : "", ...node.marks,
            node.output ? `output ${page.shape(node.output)}` : ""];
        node.element.setAttribute("role", "img");
        node.element.setAttribute("aria-label", words.filter(Boolean).join(", "));
    }

    // Places in the picture's own coordinates, measured once.
    const shift = drawing.transform.baseVal.consolidate().matrix;
    page.place = (record) => {
        if (!record.bounds) {
            const box = (record.line || record.cell || record.element).getBBox();
            record.bounds = {x: box.x + shift.e, y: box.y + shift.f, width: box.width, height: box.height};
        }
        return record.bounds;
    };

    const marked = new Map();
    const elementOf = (node) => node.cell || node.element;

    page.mark = (name, {nodes = [], edges = [], elements = []} = {}) => {
        const wanted = new Set(elements);
        for (const id of nodes) wanted.add(elementOf(page.nodes.get(id)));
        for (const edge of edges) if (edge.line) wanted.add(edge.line);
        for (const element of marked.get(name) || []) if (!wanted.has(element)) element.classList.remove(name);
        for (const element of wanted) element.classList.add(name);
        marked.set(name, wanted);
        page.emit("mark", name, wanted);
    };

    // What is lit goes to a group of its own, so that one opacity fades all the rest: a thousand
    // faded groups would be a thousand layers to blend in every frame.
    page.dim = (on) => {
        const lit = new Set();
        if (on) for (const element of marked.get("lit") || []) lit.add(element.closest(".node, .edge"));
        for (const element of [...raised.children]) if (!lit.has(element)) base.append(element);
        for (const element of lit) raised.append(element);
        svg.classList.toggle("dimmed", Boolean(on));
    };

    page.paint = (id, color) => {
        const node = page.nodes.get(id);
        for (const shape of node.shapes) {
            if (shape.getAttribute("fill") === "none") continue;
            if (color === null || color === undefined) shape.style.removeProperty("fill");
            else shape.style.setProperty("fill", color);
        }
        elementOf(node).classList.toggle("painted", Boolean(color));
        node.color = color || null;
        page.emit("paint", node);
    };

    // Everything that a node's value reaches, or comes from.
    page.reach = (start, way) => {
        const seen = new Set(start);
        const edges = [];
        const queue = [...start];
        for (const id of queue) {
            const node = page.nodes.get(id);
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

    page.view = page.data.view;
    page.setView = (view) => {
        page.view = view;
        svg.classList.toggle("backward", view === "backward");
        svg.classList.toggle("forward", view !== "backward");
        page.emit("view", view);
    };
    page.on("ready", () => page.setView(page.view));
}
