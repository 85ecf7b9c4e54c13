// Two traces: the second has a copy of the picture beside the first's, and a table says where they
// part, the worst first.

// The copy is made at once, so that whatever measures the picture afterwards finds room for both.
page.copy = (() => {
    if (page.traces.length < 2) return null;
    const {picture, drawing, s} = page;
    const GAP = 60;
    const copy = drawing.cloneNode(true);
    const {x, y, width, height} = picture.viewBox.baseVal;
    const beside = width <= 1.6 * height;
    const TITLE = 30;
    const shift = beside ? {x: width + GAP, y: 0} : {x: 0, y: height + GAP};
    const elements = new Map();
    const lines = new Map();
    for (const element of copy.querySelectorAll("[id]")) {
        if (element.classList.contains("edge")) lines.set(element.id, element);
        if (element.classList.contains("node")) elements.set(Number(element.dataset.id), element);
        element.removeAttribute("id");
        element.removeAttribute("role");
        element.removeAttribute("aria-label");
    }
    copy.removeAttribute("id");
    copy.setAttribute("aria-hidden", "true");
    for (const element of copy.querySelectorAll(".selected, .beside, .lit")) element.classList.remove("selected", "beside", "lit");
    const frame = s("g", {class: "trace-copy", transform: `translate(${shift.x} ${shift.y})`}, copy);
    const heading = (text, left, top) => s("text", {class: "trace-heading", "text-anchor": "middle", x: left, y: top}, text);
    picture.append(frame, heading("first", x + width / 2, y + height + 18), heading("second", x + width / 2 + shift.x, y + height + 18 + shift.y));
    picture.setAttribute("viewBox", beside
        ? `${x} ${y} ${2 * width + GAP} ${height + TITLE}`
        : `${x} ${y} ${width} ${2 * height + GAP + TITLE}`);

    const records = new Map();
    for (const node of page.nodes.values()) {
        const element = elements.get(node.box);
        if (!element) continue;
        const cell = node.box === node.id ? null : element.querySelector(`.cell[data-id="${node.id}"]`);
        records.set(node.id, {element, cell, shapes: cell ? [cell] : [...element.querySelectorAll(".outline")], shared: true});
    }
    return {drawing: copy, records, lines, beside};
})();

page.part("player_two", () => {
    if (!page.player || !page.copy) return;
    const {player, h, copy} = page;
    const {difference} = player.second;
    const back = new Map(Object.entries(difference.match).map(([one, two]) => [two, Number(one)]));
    player.home = (id) => (back.has(id) ? back.get(id) : id);
    const surface = new player.Surface(copy.drawing, (id) => copy.records.get(id) || null, (edge) => copy.lines.get(edge.element) || null);
    player.surfaces.push({surface, which: player.second, home: player.home});

    // -- the table --------------------------------------------------------------------------------------

    const panel = page.panel({id: "difference", title: "Difference", order: 5});
    const KINDS = {forward: "output", sum: "gradient", contribution: "contribution", parameter: "parameter", gradInput: "gradInput", output: "net output"};
    const {rows} = difference;
    const only = h("select", {class: "button", "aria-label": "Which differences", onchange: fill},
        h("option", {value: ""}, "all kinds"), [...new Set(rows.map((row) => row.kind))].map((kind) => h("option", {value: kind}, KINDS[kind])));
    const body = h("ol", {class: "trace-differences"});
    const SHOWN = 120;

    function placeOf(row) {
        const {labelOf} = player;
        if (row.kind === "contribution" && row.node !== null && row.source !== null) {
            return `${labelOf(row.node)} \u2192 ${labelOf(row.source)}${row.slot ? ` [${row.slot}]` : ""}`;
        }
        return row.node === null ? row.where : labelOf(row.node);
    }

    function goTo(row) {
        const direction = row.kind === "forward" || row.kind === "output" ? "forward" : "backward";
        player.pause();
        player.setDirection(direction);
        const time = row.step === null ? player.step.t : row.step;
        player.go(player.indexOf(row.node, player.times.includes(time) ? time : player.step.t), 2);
        page.reveal([row.node]);
    }

    function fill() {
        const found = rows.filter((row) => !only.value || row.kind === only.value);
        const most = Math.log10(Math.max(...rows.map((row) => (typeof row.abs === "number" ? row.abs : 0)), 1e-300));
        body.replaceChildren(...found.slice(0, SHOWN).map((row) => {
            const bar = h("span", {class: "trace-bar", "aria-hidden": "true"}, h("span", {class: typeof row.abs === "string" ? "broken" : "plain"}));
            bar.firstChild.style.width = typeof row.abs === "string" ? "100%" : `${Math.max(3, 100 * (1 + (Math.log10(row.abs) - most) / 4))}%`;
            const where = `${row.step === null ? "" : `t = ${row.step + 1}: `}${placeOf(row)}`;
            const rel = typeof row.rel === "number" ? `${player.brief(100 * row.rel)} %` : player.brief(row.rel);
            return h("li", null,
                h("div", null, row.node === null ? h("b", null, where) : h("button", {class: "link", onclick: () => goTo(row)}, where),
                    h("span", {class: "hint"}, ` ${KINDS[row.kind] || row.kind}${row.note ? `, ${row.note}` : ""}`)),
                h("div", {class: "tabular", title: row.entry ? `largest difference at ${row.entry}` : null}, bar,
                    ` ${player.brief(row.abs)} (${rel}) `, h("span", {class: "hint"}, `norms ${player.brief(row.first)} | ${player.brief(row.second)}`)));
        }));
    }

    const firsts = ["forward", "backward"].map((pass) => {
        const first = difference.first[pass];
        return h("p", null, h("b", null, `${pass === "forward" ? "Outputs" : "Gradients"}: `), first === null ? "no difference"
            : ["they part at ", h("button", {class: "link", onclick: () => goTo({kind: pass === "forward" ? "forward" : "sum", ...first})}, player.labelOf(first.node)),
                first.step === null ? "" : `, t = ${first.step + 1}`]);
    });
    panel.element.append(...[
        h("p", null, difference.same ? `The traces agree in all ${difference.compared} quantities.`
            : `${difference.count} of ${difference.compared} quantities differ.`),
        ...firsts,
        difference.alike ? null : h("p", {class: "trace-why"}, "The two networks are not built alike: the picture is the first's, and what has no counterpart stays blank."),
        difference.same ? null : h("p", {class: "trace-only"}, only,
            h("span", {class: "hint"}, ` the largest difference of two entries, worst first${difference.count > rows.length ? `, ${rows.length} of ${difference.count}` : ""}`)),
        difference.same ? null : body,
    ].filter(Boolean));
    fill();
    page.stage.classList.add("trace-pair");
    page.stage.append(h("div", {class: "overlay trace-sides", "aria-hidden": "true"},
        copy.beside ? "first \u2190 \u2192 second" : "first \u2191 \u2193 second"));
    page.on("ready", () => panel.show());
});
