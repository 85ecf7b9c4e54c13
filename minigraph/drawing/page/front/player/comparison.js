// Two traces: the second has a copy of the picture beside the first's, and a table says where they
// part, the worst first.

// The copy is made at once, so that whatever measures the picture afterwards finds room for both.
page.copy = (() => {
    if (page.traces.length < 2) return null;
    const {picture, drawing, s} = page;
    const GAP = 60;
    const copy = /** @type {SVGGElement} */ (drawing.cloneNode(true));
    const {x, y, width, height} = picture.viewBox.baseVal;
    const beside = width <= 1.6 * height;
    const TITLE = 30;
    const shift = beside ? {x: width + GAP, y: 0} : {x: 0, y: height + GAP};
    /** @type {Map<number, SVGGElement>} */
    const elements = new Map();
    /** @type {Copy["lines"]} */
    const lines = new Map();
    for (const element of /** @type {NodeListOf<SVGGElement>} */ (copy.querySelectorAll("[id]"))) {
        if (element.classList.contains("edge")) lines.set(element.id, element);
        if (element.classList.contains("node")) elements.set(Number(element.dataset.id), element);
        element.removeAttribute("id");
        element.removeAttribute("role");
        element.removeAttribute("aria-label");
    }
    copy.removeAttribute("id");
    copy.setAttribute("aria-hidden", "true");
    for (const name of ["selected", "beside", "lit", "away"]) {
        for (const element of copy.querySelectorAll(`.${name}`)) element.classList.remove(name);
    }
    const frame = s("g", {class: "trace-copy", transform: `translate(${shift.x} ${shift.y})`}, copy);
    /** @type {(text: string, right: number, down: number) => SVGElement} */
    const heading = (text, right, down) => s("text", {class: "trace-heading", "text-anchor": "middle",
        x: x + width / 2 + right, y: y + height + 18 + down}, text);
    picture.append(frame, heading("first", 0, 0), heading("second", shift.x, shift.y));
    picture.setAttribute("viewBox", beside
        ? `${x} ${y} ${2 * width + GAP} ${height + TITLE}`
        : `${x} ${y} ${width} ${2 * height + GAP + TITLE}`);

    /** @type {Copy["nodes"]} */
    const nodes = new Map();
    for (const node of page.nodes.values()) {
        const element = elements.get(node.box);
        if (element) nodes.set(node.id, page.shapesOf(node, element));
    }
    return {drawing: copy, nodes, lines, beside};
})();

page.part("comparison", () => {
    if (!page.player?.second || !page.copy) return;
    const {player, h, copy} = page;
    const {second} = page.player;
    const {difference} = second;
    const back = new Map(Object.entries(difference.match).map(([one, two]) => [two, Number(one)]));
    player.home = (id) => back.get(id) ?? id;
    const surface = new player.Surface(copy.drawing, (id) => copy.nodes.get(id),
        (edge) => (edge.element ? copy.lines.get(edge.element) : null));
    player.surfaces.push({surface, trace: second, home: player.home});

    // -- the table --------------------------------------------------------------------------------------

    const panel = page.panel({id: "difference", title: "Difference", order: 5});
    /** @type {Record<string, string>} */
    const KINDS = {forward: "output", sum: "gradient", contribution: "contribution", parameter: "parameter",
        gradInput: "gradInput", output: "net output"};
    const {rows} = difference;
    const kinds = [...new Set(rows.map((row) => row.kind))];
    const only = h("select", {class: "button", "aria-label": "Which differences", onchange: fill},
        h("option", {value: ""}, "all kinds"), kinds.map((kind) => h("option", {value: kind}, KINDS[kind])));
    const body = h("ol", {class: "trace-differences"});
    const SHOWN = 120;

    /** @param {Data.DifferenceRow} row */
    function placeOf(row) {
        const {labelOf} = player;
        if (row.kind === "contribution" && row.node !== null && row.source !== null) {
            return `${labelOf(row.node)} \u2192 ${labelOf(row.source)}${row.slot ? ` [${row.slot}]` : ""}`;
        }
        return row.node === null ? row.where : labelOf(row.node);
    }

    /** @typedef {Data.Place & {kind: string}} Target where a row leads */

    /** @param {Target} row */
    function goTo(row) {
        const direction = row.kind === "forward" || row.kind === "output" ? "forward" : "backward";
        player.pause();
        player.setDirection(direction);
        const time = row.step === null ? player.step.t : row.step;
        player.go(player.indexOf(row.node, player.times.includes(time) ? time : player.step.t), 2);
        page.reveal([row.node]);
    }

    /** @type {(row: Target, text: string) => HTMLElement} */
    const link = (row, text) => h("button", {class: "link", onclick: () => goTo(row)}, text);
    const sizes = rows.map((row) => row.abs).filter((size) => typeof size === "number");
    const most = Math.log10(Math.max(...sizes, 1e-300));

    /**
     * Four powers of ten fit on a bar; what cannot be subtracted has a hatched one.
     * @param {Data.Number} size
     */
    function bar(size) {
        const inner = h("span", {class: typeof size === "string" ? "broken" : "plain"});
        inner.style.width = typeof size === "string" ? "100%" : `${Math.max(3, 100 + 25 * (Math.log10(size) - most))}%`;
        return h("span", {class: "trace-bar", "aria-hidden": "true"}, inner);
    }

    /** @param {Data.DifferenceRow} row */
    function item(row) {
        const {brief} = player;
        const where = `${row.step === null ? "" : `t = ${row.step + 1}: `}${placeOf(row)}`;
        const part = typeof row.rel === "number" ? `${brief(100 * row.rel)} %` : brief(row.rel);
        return h("li", null,
            h("div", null, row.node === null ? h("b", null, where) : link({...row, node: row.node}, where),
                h("span", {class: "hint"}, ` ${KINDS[row.kind]}${row.note ? `, ${row.note}` : ""}`)),
            h("div", {class: "tabular", title: row.entry ? `largest difference at ${row.entry}` : null},
                bar(row.abs), ` ${brief(row.abs)} (${part}) `,
                h("span", {class: "hint"}, `norms ${brief(row.first)} | ${brief(row.second)}`)));
    }

    function fill() {
        body.replaceChildren(...rows.filter((row) => !only.value || row.kind === only.value).slice(0, SHOWN).map(item));
    }

    /**
     * @param {Data.View} pass
     * @param {string} title
     */
    function parting(pass, title) {
        const first = difference.first[pass];
        const kind = pass === "forward" ? "forward" : "sum";
        return h("p", null, h("b", null, `${title}: `), first === null ? "no difference"
            : ["they part at ", link({kind, ...first}, player.labelOf(first.node)),
                first.step === null ? "" : `, t = ${first.step + 1}`]);
    }

    const {same, alike, count, compared} = difference;
    const listed = count > rows.length ? `, ${rows.length} of ${count}` : "";
    panel.element.append(
        h("p", null, same ? `The traces agree in all ${compared} quantities.`
            : `${count} of ${compared} quantities differ.`),
        parting("forward", "Outputs"),
        parting("backward", "Gradients"));
    if (!alike) {
        panel.element.append(h("p", {class: "trace-why"}, "The two networks differ in structure: the picture shows the " +
            "first, and nodes without a counterpart stay blank."));
    }
    if (!same) {
        panel.element.append(h("p", {class: "trace-only"}, only,
            h("span", {class: "hint"}, ` the largest difference of two entries, worst first${listed}`)), body);
    }
    fill();
    page.stage.classList.add("trace-pair");
    page.stage.append(h("div", {class: "overlay trace-sides", "aria-hidden": "true"},
        copy.beside ? "first \u2190 \u2192 second" : "first \u2191 \u2193 second"));
    page.on("ready", () => panel.show());
});
