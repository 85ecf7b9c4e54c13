// The time axis of an Unroll: a heat map with a row for each node and each parameter, and a column
// for each time step. It is walked through with the arrow keys.

page.part("heat_map", () => {
    if (!page.player?.unrolled) return;
    const {player, h} = page;
    const trace = page.player.unrolled;
    const {scale} = player;
    const second = player.second?.kind === "unroll" ? player.second : null;
    const {ROW} = player.heatCells;
    const {columns} = trace;
    const panel = page.panel({id: "heat", title: "Time steps", place: "bottom", order: 20});
    const cursor = {row: 0, column: columns.length - 1};
    /** @typedef {"gradient" | "output" | "second" | "difference"} HeatKind */
    /** @type {HeatKind} */
    let shown = "gradient";
    let onlyNamed = page.graph.nodes.filter((node) => node.name).length >= 3;
    /** @type {HeatRow[]} */
    let rows = [];
    let width = 0;

    const canvas = h("canvas", {"aria-hidden": "true"});
    const labels = h("div", {class: "heat-labels", "aria-hidden": "true"});
    const axis = h("div", {class: "heat-axis tabular", "aria-hidden": "true"});
    const grid = h("div", {class: "heat-grid", tabindex: "0", role: "application", "aria-roledescription": "heat map",
        "aria-label": "Norm per node and time step. Arrow keys go from cell to cell, Enter to the node at that time."},
    canvas);
    const scroll = h("div", {class: "heat-scroll"}, labels, h("div", {class: "heat-main"}, axis, grid));
    const readout = h("p", {class: "heat-readout", "aria-live": "polite"});
    const options = h("div", {class: "heat-options"});
    const toggle = h("button", {class: "button quiet", "aria-expanded": "true", onclick: fold}, "Hide");
    panel.element.append(
        h("div", {class: "trace-toolbar"}, h("h2", null, "Time axis"), options, readout, toggle), scroll);

    function fold() {
        scroll.hidden = !scroll.hidden;
        toggle.setAttribute("aria-expanded", String(!scroll.hidden));
        toggle.textContent = scroll.hidden ? "Show" : "Hide";
    }

    // -- what is shown -------------------------------------------------------------------------------

    const isDifference = () => shown === "difference";
    const direction = () => (shown === "output" ? "forward" : "backward");

    /**
     * Relative difference of two norms, from 0 to 1; 1 where only one trace has anything.
     * @type {(one: Norm, two: Norm) => number}
     */
    function apart(one, two) {
        if (one === two) return 0;
        if (typeof one !== "number" || typeof two !== "number") return 1;
        return Math.abs(one - two) / Math.max(Math.abs(one), Math.abs(two));
    }

    /** @type {(row: unknown) => Data.State} */
    const fine = () => "";

    /**
     * @param {Data.UnrolledTrace} which
     * @returns {HeatRow[]}
     */
    function rowsOf(which) {
        const found = which.heat[shown === "output" ? "output" : "gradient"].map(({node, values, states}) =>
            ({key: node, label: player.labelOf(node), node, parameter: false, values, states}));
        if (shown === "output") return found;
        const shares = which.parameters.filter((each) => each.steps.length).map((each) => ({
            key: each.name, label: `\u2202 ${each.name}`, node: each.node, parameter: true,
            values: which.columns.map((t) => each.steps[t]), states: which.columns.map(fine),
        }));
        return [...found, ...shares];
    }

    /**
     * @param {Data.UnrolledTrace} other
     * @returns {HeatRow[]}
     */
    function differences(other) {
        /** @param {HeatRow} row */
        const home = (row) => (typeof row.key === "number" ? player.home(row.key) : row.key);
        const others = new Map(rowsOf(other).map((row) => [home(row), row.values]));
        return rowsOf(trace).map((row) => {
            /** @type {[Norm, Norm][]} */
            const pairs = row.values.map((value, k) => [value, others.get(row.key)?.[k] ?? null]);
            return {...row, pairs, values: pairs.map(([one, two]) => apart(one, two)), states: row.states.map(fine)};
        });
    }

    function gather() {
        if (second && isDifference()) rows = differences(second);
        else rows = rowsOf(second && shown === "second" ? second : trace);
        if (onlyNamed) rows = rows.filter((row) => row.parameter || page.nodes.get(Number(row.node))?.name);
        cursor.row = Math.min(cursor.row, rows.length - 1);
    }

    // -- drawing -------------------------------------------------------------------------------------

    /** @param {number} t */
    const nearest = (t) => columns.reduce((best, each, k) =>
        (Math.abs(each - t) < Math.abs(columns[best] - t) ? k : best), 0);

    function draw() {
        const room = scroll.clientWidth - labels.offsetWidth - 2;
        if (room < 20) return;
        width = Math.max(3, Math.min(62, Math.floor(room / columns.length)));
        const marks = new Set(trace.marks.filter((mark) => mark.pass === direction())
            .map((mark) => `${mark.node} ${mark.step}`));
        const own = shown === "gradient" || shown === "output";
        const {event} = player.step;
        player.heatCells.draw(canvas, rows, width, {
            partOf: isDifference() ? Number : scale.part,
            marked: (row, column) => own && !row.parameter && marks.has(`${row.node} ${columns[column]}`),
            column: columns.indexOf(Number(player.step.t)),
            active: player.whole ? -1 : rows.findIndex((row) => row.node === event.node && !row.parameter),
            cursor: document.activeElement === grid ? cursor : null,
        });
        // On paper the whole map has the width of a page.
        scroll.style.setProperty("--print-zoom", Math.min(1, 660 / (labels.offsetWidth + width * columns.length)).toFixed(2));
        const every = Math.ceil(26 / width);
        axis.replaceChildren(...columns.map((t, k) =>
            h("span", {style: `width:${width}px`}, k % every === 0 ? t + 1 : "")));
        labels.replaceChildren(h("div", {class: "heat-corner"}, "t ="), ...rows.map((row) =>
            h("div", {title: row.label, class: row.parameter ? "parameter" : null}, row.label)));
    }

    // The time step that is played stays in sight where not all of them are.
    function follow() {
        const left = nearest(Number(player.step.t)) * width;
        const room = scroll.clientWidth - labels.offsetWidth;
        if (left < scroll.scrollLeft || left + width > scroll.scrollLeft + room) scroll.scrollLeft = left - room / 2;
    }

    // -- words ---------------------------------------------------------------------------------------

    const hint = () => (isDifference() ? "A full bar: the norms are 100 % apart. Point at a cell to see both."
        : "The higher the bar, the larger the norm. Point at a cell to see its value.");

    /** @param {Cell} cell */
    function read({row, column}) {
        const found = rows[row];
        if (!found) return "";
        const value = found.values[column];
        const state = found.states[column];
        const where = `${found.label}, t = ${columns[column] + 1}`;
        if (found.pairs) {
            const [one, two] = found.pairs[column].map(player.brief);
            return `${where}: ${one} and ${two}, ${(100 * Number(value)).toPrecision(3)} % apart`;
        }
        if (value === null) return `${where}: no gradient arrived`;
        return `${where}: norm ${player.brief(value)}${state ? ` (${player.kinds[state]})` : ""}`;
    }

    // -- mouse and keys ------------------------------------------------------------------------------

    /** @param {MouseEvent} event */
    function point(event) {
        const box = canvas.getBoundingClientRect();
        /** @type {(place: number, count: number) => number} */
        const within = (place, count) => Math.max(0, Math.min(count - 1, Math.floor(place)));
        return {row: within((event.clientY - box.top) / ROW, rows.length),
            column: within((event.clientX - box.left) / width, columns.length)};
    }

    function open() {
        const {node} = rows[cursor.row];
        const t = columns[cursor.column];
        player.pause();
        player.setDirection(direction());
        if (node === null) return;
        player.go(player.indexOf(node, player.timeNear(t)), 2);
        if (!player.second) page.select(node);
    }

    /** @type {Record<string, [number, number]>} */
    const MOVES = {ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0],
        Home: [0, -Infinity], End: [0, Infinity], PageUp: [-10, 0], PageDown: [10, 0]};

    /** @param {[number, number]} way */
    function move([down, right]) {
        cursor.row = Math.max(0, Math.min(rows.length - 1, cursor.row + down));
        cursor.column = Math.max(0, Math.min(columns.length - 1, cursor.column + right));
        const [top, left] = [cursor.row * ROW, cursor.column * width];
        const high = scroll.clientHeight - 2 * ROW;
        const wide = scroll.clientWidth - labels.offsetWidth - width;
        scroll.scrollTop = Math.max(top - high, Math.min(scroll.scrollTop, top));
        scroll.scrollLeft = Math.max(left - wide, Math.min(scroll.scrollLeft, left));
    }

    grid.addEventListener("keydown", (event) => {
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        if (event.key === "Enter") open();
        else if (MOVES[event.key]) move(MOVES[event.key]);
        else return;
        readout.textContent = read(cursor);
        draw();
        event.preventDefault();
        event.stopPropagation();
    });
    grid.addEventListener("click", (event) => {
        Object.assign(cursor, point(event));
        open();
        readout.textContent = read(cursor);
    });
    grid.addEventListener("pointermove", (event) => { readout.textContent = read(point(event)); });
    grid.addEventListener("pointerleave", () => {
        readout.textContent = document.activeElement === grid ? read(cursor) : hint();
    });
    grid.addEventListener("focus", () => {
        readout.textContent = read(cursor);
        draw();
    });
    grid.addEventListener("blur", draw);

    // -- choices -------------------------------------------------------------------------------------

    /** @type {[HeatKind, string][]} */
    const KINDS = second
        ? [["gradient", "Gradient, first"], ["second", "second"], ["difference", "difference"]]
        : [["gradient", "Gradients"], ["output", "Outputs"]];

    /** @param {HeatKind} kind */
    function choose(kind) {
        shown = kind;
        player.setDirection(direction());
        refresh();
    }

    const buttons = KINDS.map(([kind, text]) => h("button", {class: "button", onclick: () => choose(kind)}, text));
    const box = h("input", {type: "checkbox", checked: onlyNamed, onchange: () => {
        onlyNamed = box.checked;
        refresh();
    }});
    options.append(
        h("span", {class: "switch", role: "group", "aria-label": "What the map shows"}, buttons),
        h("label", null, box, " named nodes only"));

    function refresh() {
        for (const [k, [kind]] of KINDS.entries()) buttons[k].setAttribute("aria-pressed", String(shown === kind));
        gather();
        readout.textContent = hint();
        draw();
    }

    player.onChange((cause) => {
        if (cause === "pause") return;
        const kind = player.direction === "forward" ? "output" : "gradient";
        if (!player.second && kind !== shown) {
            shown = kind;
            refresh();
        } else draw();
        if (cause !== "theme") follow();
    });
    page.on("ready", () => {
        refresh();
        // With two strips there is little room for the picture: the key m brings the small map back.
        const map = /** @type {HTMLElement | null} */ (page.stage.querySelector(".minimap"));
        if (map && page.stage.clientHeight < 420) map.hidden = true;
    });
    new ResizeObserver(() => { if (!window.matchMedia("print").matches) draw(); }).observe(scroll);
});
