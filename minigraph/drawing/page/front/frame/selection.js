// Which node is selected, which slot; both are lit in the picture.

page.part("selection", () => {
    const {input = [], output = [], gradOutput = [], gradInput = []} = page.graph.tables;
    const rows = new Map([...input, ...output, ...gradOutput, ...gradInput].map((row) => [row.path, row]));
    page.rows = rows;
    page.selected = null;
    page.slot = null;

    page.select = (id, {center = false} = {}) => {
        const node = id === null ? null : page.node(id);
        page.selected = node;
        const around = node ? [...node.inputs, ...node.consumers] : [];
        page.mark("selected", {nodes: node ? [node.id] : []});
        page.mark("beside", {nodes: around.flatMap((edge) => [edge.source, edge.target]).filter((other) => other !== id),
            edges: around});
        if (node) {
            page.stage.setAttribute("aria-activedescendant", node.element.id);
            page.say(`${node.label}, ${node.module || node.role}, ${node.inputs.length} inputs, ${node.consumers.length} consumers`);
            if (center) page.reveal([node.id]);
        } else page.stage.removeAttribute("aria-activedescendant");
        page.emit("select", node);
    };

    page.row = (path) => {
        const row = rows.get(path);
        if (!row) throw new Error(`there is no slot ${path}`);
        return row;
    };
    page.isGradient = (row) => row.path.startsWith("grad");
    page.isInput = (row) => row.path.startsWith("input") || row.path.startsWith("gradInput");

    /** @type {(path: string) => number[]} */
    const entriesOf = (path) => [...path.matchAll(/\[(\d+)\]/g)].map(([, entry]) => Number(entry));

    /**
     * The lines from the edge of the network to a slot's node; a node may fill several entries of a table.
     * @param {Data.Row} row
     */
    function linesOf(row) {
        const entries = page.isInput(row) ? [] : entriesOf(row.path);
        /** @type {PageEdge[]} */
        const lines = [];
        for (let i = row.chain.length - 1; i > 0; i -= 1) {
            const from = row.chain[i - 1];
            const to = page.node(row.chain[i]);
            const slot = to.inputs.length > 1 ? entries.shift() : undefined;
            lines.push(...to.inputs.filter((edge) => edge.source === from && (slot === undefined || edge.slot === slot)));
        }
        return lines;
    }

    /**
     * The cells that stand for a slot of the output, in the output table and the tables inside it.
     * @param {Data.Row} row
     */
    function cellsOf(row) {
        if (page.isInput(row)) return [];
        const name = row.path.split("[")[0];
        const entries = entriesOf(row.path);
        return entries.flatMap((entry, depth) => {
            const whole = rows.get(name + entries.slice(0, depth).map((each) => `[${each}]`).join(""));
            const table = page.node(whole ? whole.node : row.chain[row.chain.length - 1]);
            return [...table.element.querySelectorAll(`.cell[data-row=above][data-entry="${entry}"]`)];
        });
    }

    // The nodes that a slot feeds: an input's value flows down, an output's gradient back up.
    page.fedBy = (row) => {
        const reached = page.reach([row.node], page.isInput(row) ? "forward" : "backward");
        return {nodes: new Set([...row.chain, ...reached.nodes]), edges: [...linesOf(row), ...reached.edges],
            elements: cellsOf(row)};
    };

    // The slots at the other end of the network that a slot's value or gradient gets to.
    page.slotsReached = (row) => {
        const across = page.isGradient(row) ? (page.isInput(row) ? gradOutput : gradInput) : page.isInput(row) ? output : input;
        const {nodes} = page.reach([row.node], page.isInput(row) ? "forward" : "backward");
        const found = across.filter((each) => nodes.has(each.node));
        return found.filter((each) => !found.some((inner) => inner !== each && inner.path.startsWith(`${each.path}[`)));
    };

    page.selectSlot = (path) => {
        const row = path ? rows.get(path) || null : null;
        page.slot = row;
        const lit = row ? page.fedBy(row) : {};
        page.mark("lit", lit);
        page.mark("slot-end", {nodes: row ? [row.node] : []});
        page.dim(Boolean(row));
        if (row) page.setView(page.isGradient(row) ? "backward" : "forward");
        page.emit("slot", row);
    };

    page.clear = () => {
        if (page.slot) page.selectSlot(null);
        page.select(null);
    };

    /**
     * A cell of a table is a slot where it belongs to a table of the network, else a node.
     * @param {SVGElement} cell
     */
    function slotOfCell(cell) {
        const backward = page.view === "backward";
        const [inputs, outputs] = backward ? [gradInput, gradOutput] : [input, output];
        const box = Number(nodeAround(cell)?.dataset.id);
        if (cell.dataset.row === "below") {
            const id = Number(cell.dataset.id);
            return inputs.filter((row) => row.chain.includes(id)).sort((a, b) => a.depth - b.depth)[0];
        }
        const whole = outputs.find((row) => row.node === box);
        const root = page.node(box).role === "out" ? (backward ? "gradOutput" : "output") : whole?.path;
        return root && rows.get(`${root}[${cell.dataset.entry}]`);
    }

    /** @type {(element: Element) => SVGElement | null} */
    const nodeAround = (element) => element.closest(".node");

    page.on("tap", (event) => {
        const target = /** @type {Element} */ (event.target);
        const entry = /** @type {SVGElement | null} */ (target.closest(".cell"));
        const near = nodeAround(target);
        if (entry) {
            const row = slotOfCell(entry);
            if (entry.dataset.id) page.select(Number(entry.dataset.id));
            if (row) page.selectSlot(row.path);
            if (row || entry.dataset.id) return;
        }
        if (near) page.select(Number(near.dataset.id));
        else if (page.stage.contains(target) && !target.closest(".overlay")) page.clear();
    });

    // Up and down follow the lines; left and right go to whatever is drawn there.

    /** @param {PageNode} node */
    function centre(node) {
        const box = page.place(node);
        return {x: box.x + box.width / 2, y: box.y + box.height / 2};
    }

    /**
     * @param {PageNode} node
     * @param {"up" | "down"} way
     * @returns {number[]}
     */
    function boxesAround(node, way) {
        const ids = (way === "up" ? node.inputs.map((edge) => edge.source) : node.consumers.map((edge) => edge.target));
        /** @type {Set<number>} */
        const found = new Set();
        for (const next of ids.map(page.node)) {
            if (next.box === node.box) for (const further of boxesAround(next, way)) found.add(further);
            else found.add(next.cell ? next.id : next.box);
        }
        return [...found];
    }

    /**
     * @param {PageNode} from
     * @param {PageNode[]} candidates
     */
    function nearest(from, candidates) {
        const here = centre(from);
        /** @param {PageNode} node */
        const far = (node) => {
            const there = centre(node);
            return Math.hypot(there.x - here.x, (there.y - here.y) * 0.5);
        };
        return candidates.length ? candidates.reduce((best, node) => (far(node) < far(best) ? node : best)) : null;
    }

    /** @param {"up" | "down" | "left" | "right"} way */
    function go(way) {
        const from = page.selected;
        if (!from) return step(1);
        /** @type {PageNode | null} */
        let next = null;
        if (way === "up" || way === "down") next = nearest(from, boxesAround(from, way).map(page.node));
        else {
            const here = centre(from);
            const sign = way === "left" ? -1 : 1;
            next = nearest(from, [...page.nodes.values()].filter((node) => {
                if (node.box !== node.id || node.id === from.id) return false;
                const there = centre(node);
                const across = sign * (there.x - here.x);
                return across > 4 && Math.abs(there.y - here.y) <= Math.max(across * 0.6, page.place(from).height / 2);
            }));
        }
        if (next) page.select(next.id, {center: true});
    }

    page.inOrder = (view) => {
        /** @param {PageNode} node */
        const order = (node) => (view === "backward" ? node.backwardOrder : node.forwardOrder) || 0;
        return [...page.nodes.values()].filter(order).sort((a, b) => order(a) - order(b));
    };

    /** @param {1 | -1} by */
    function step(by) {
        const nodes = page.inOrder(page.view);
        if (!nodes.length) return;
        const now = page.selected ? nodes.indexOf(page.selected) : -1;
        const next = now < 0 ? (by > 0 ? 0 : nodes.length - 1) : Math.min(nodes.length - 1, Math.max(0, now + by));
        page.select(nodes[next].id, {center: true});
    }

    page.key("ArrowUp", "to what feeds the node", () => go("up"), "Nodes");
    page.key("ArrowDown", "to what the node feeds", () => go("down"), "Nodes");
    page.key("ArrowLeft", "to the node on the left", () => go("left"), "Nodes");
    page.key("ArrowRight", "to the node on the right", () => go("right"), "Nodes");
    page.key("n", "next node in the order of execution", () => step(1), "Nodes");
    page.key("p", "previous node", () => step(-1), "Nodes");
    page.key("c", "centre the selected node", () => page.selected && page.reveal([page.selected.id]), "Nodes");
    page.key("Escape", "clear the selection", page.clear, "Nodes");
});
