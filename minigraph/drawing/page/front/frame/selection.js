// Which node is selected, which slot; both are lit in the picture.

page.part("selection", () => {
    const rows = new Map(Object.values(page.graph.tables).flat().map((row) => [row.path, row]));
    page.rows = rows;
    page.selected = null;
    page.slot = null;

    page.select = (id, {center = false} = {}) => {
        const node = id === null || id === undefined ? null : page.nodes.get(id);
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

    const isGradient = (row) => row.path.startsWith("grad");
    const isInput = (row) => row.path.startsWith("input") || row.path.startsWith("gradInput");

    const entriesOf = (path) => [...path.matchAll(/\[(\d+)\]/g)].map(([, entry]) => Number(entry));

    // The lines from the edge of the network to a slot's node; a node may fill several entries of a table.
    function linesOf(row) {
        const entries = isInput(row) ? [] : entriesOf(row.path);
        const lines = [];
        for (let i = row.chain.length - 1; i > 0; i -= 1) {
            const [from, to] = [row.chain[i - 1], page.nodes.get(row.chain[i])];
            const slot = to.inputs.length > 1 && entries.length ? entries.shift() : null;
            lines.push(...to.inputs.filter((edge) => edge.source === from && (slot === null || edge.slot === slot)));
        }
        return lines;
    }

    // The cells that stand for a slot of the output, in the output table and the tables inside it.
    function cellsOf(row) {
        if (isInput(row)) return [];
        const name = row.path.split("[")[0];
        const entries = entriesOf(row.path);
        return entries.map((entry, depth) => {
            const whole = rows.get(name + entries.slice(0, depth).map((each) => `[${each}]`).join(""));
            const table = page.nodes.get(whole ? whole.node : row.chain[row.chain.length - 1]);
            return table.element.querySelector(`.cell[data-row=above][data-entry="${entry}"]`);
        }).filter(Boolean);
    }

    // The nodes that a slot feeds: an input's value flows down, an output's gradient back up.
    page.fedBy = (row) => {
        const reached = page.reach([row.node], isInput(row) ? "forward" : "backward");
        return {nodes: new Set([...row.chain, ...reached.nodes]), edges: [...linesOf(row), ...reached.edges],
            elements: cellsOf(row)};
    };

    // The slots at the other end of the network that a slot's value or gradient gets to.
    page.slotsReached = (row) => {
        const other = {input: "output", gradInput: "gradOutput", output: "input", gradOutput: "gradInput"};
        const name = row.path.split("[")[0];
        const {nodes} = page.reach([row.node], isInput(row) ? "forward" : "backward");
        const found = page.graph.tables[other[name]].filter((each) => nodes.has(each.node));
        return found.filter((each) => !found.some((inner) => inner !== each && inner.path.startsWith(`${each.path}[`)));
    };

    page.selectSlot = (path) => {
        const row = path ? rows.get(path) : null;
        page.slot = row || null;
        const lit = row ? page.fedBy(row) : {};
        page.mark("lit", lit);
        page.mark("slot-end", {nodes: row ? [row.node] : []});
        page.dim(Boolean(row));
        if (row) page.setView(isGradient(row) ? "backward" : "forward");
        page.emit("slot", page.slot);
    };

    page.clear = () => {
        if (page.slot) page.selectSlot(null);
        page.select(null);
    };

    // A cell of a table is a slot where it belongs to a table of the network, else a node.
    function slotOfCell(cell) {
        const tables = page.view === "backward" ? ["gradInput", "gradOutput"] : ["input", "output"];
        const [inputs, outputs] = tables.map((name) => page.graph.tables[name] || []);
        const box = Number(cell.closest(".node").dataset.id);
        if (cell.dataset.row === "below") {
            const id = Number(cell.dataset.id);
            return inputs.filter((row) => row.chain.includes(id)).sort((a, b) => a.depth - b.depth)[0];
        }
        const whole = outputs.find((row) => row.node === box);
        const root = page.nodes.get(box).role === "out" ? tables[1] : whole && whole.path;
        return root && rows.get(`${root}[${cell.dataset.entry}]`);
    }

    page.on("tap", (event) => {
        const entry = event.target.closest(".cell");
        const near = event.target.closest(".node");
        if (entry) {
            const row = slotOfCell(entry);
            if (entry.dataset.id) page.select(Number(entry.dataset.id));
            if (row) page.selectSlot(row.path);
            if (row || entry.dataset.id) return;
        }
        if (near) page.select(Number(near.dataset.id));
        else if (page.stage.contains(event.target) && !event.target.closest(".overlay")) page.clear();
    });

    // Up and down follow the lines; left and right go to whatever is drawn there.
    function centre(node) {
        const box = page.place(node);
        return {x: box.x + box.width / 2, y: box.y + box.height / 2};
    }

    function boxesAround(node, way) {
        const ids = (way === "up" ? node.inputs.map((edge) => edge.source) : node.consumers.map((edge) => edge.target));
        const found = new Set();
        for (const id of ids) {
            const next = page.nodes.get(id);
            if (next.box === node.box) for (const further of boxesAround(next, way)) found.add(further);
            else found.add(next.cell ? next.id : next.box);
        }
        return [...found];
    }

    function nearest(from, candidates) {
        const here = centre(from);
        const far = (node) => {
            const there = centre(node);
            return Math.hypot(there.x - here.x, (there.y - here.y) * 0.5);
        };
        return candidates.reduce((best, node) => (!best || far(node) < far(best) ? node : best), null);
    }

    function go(way) {
        const from = page.selected;
        if (!from) return step(1);
        let next = null;
        if (way === "up" || way === "down") next = nearest(from, boxesAround(from, way).map((id) => page.nodes.get(id)));
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

    function step(by) {
        const order = page.view === "backward" ? "backwardOrder" : "forwardOrder";
        const nodes = [...page.nodes.values()].filter((node) => node[order]).sort((a, b) => a[order] - b[order]);
        if (!nodes.length) return;
        const now = nodes.indexOf(page.selected);
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
