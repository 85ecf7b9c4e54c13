// The time axis of an Unroll: a heat map with a row for each node and a column for each time step.
//
// A cell holds a bar as high as the norm is large, in the colour of the scale: a row reads as a
// curve over time, in grey too. Wide cells also say the number; what is wrong has a symbol.

page.part("player_heat", () => {
    if (!page.player || !page.player.unrolled) return;
    const {player, h} = page;
    const {scale, trace} = player;
    const ROW = 18;
    const panel = page.panel({id: "heat", title: "Time steps", place: "bottom", order: 20});
    let cursor = {row: 0, column: trace.columns.length - 1};
    let shown = "gradient";
    let onlyNamed = page.graph.nodes.filter((node) => node.name).length >= 3;
    let rows = [];
    let width = 0;

    const canvas = h("canvas", {"aria-hidden": "true"});
    const labels = h("div", {class: "heat-labels", "aria-hidden": "true"});
    const axis = h("div", {class: "heat-axis tabular", "aria-hidden": "true"});
    const grid = h("div", {class: "heat-grid", tabindex: "0", role: "application", "aria-roledescription": "heat map",
        "aria-label": "Norm per node and time step. Arrow keys move from cell to cell, Enter shows the node at that time."}, canvas);
    const scroll = h("div", {class: "heat-scroll"}, labels, h("div", {class: "heat-main"}, axis, grid));
    const hint = () => (shown === "difference" ? "A full bar: the norms are 100 % apart. Point at a cell for both."
        : "The higher the bar, the larger the norm. Point at a cell for its value.");
    const readout = h("p", {class: "heat-readout", "aria-live": "polite"});
    const choose = (name, text, pressed, act) => h("button", {class: "button", "aria-pressed": String(pressed), onclick: act, "data-choice": name}, text);
    const options = h("div", {class: "heat-options"});
    const toggle = h("button", {class: "button quiet", "aria-expanded": "true", onclick: () => {
        scroll.hidden = !scroll.hidden;
        toggle.setAttribute("aria-expanded", String(!scroll.hidden));
        toggle.textContent = scroll.hidden ? "Show" : "Hide";
    }}, "Hide");

    panel.element.append(h("div", {class: "trace-toolbar"}, h("h2", null, "Time axis"), options, readout, toggle), scroll);

    // -- what is shown -----------------------------------------------------------------------------

    const second = () => player.second && player.second.heat;

    // Relative difference of two norms, from 0 to 1; one where only one trace has anything.
    function apart(one, two) {
        if (one === two) return 0;
        if (typeof one !== "number" || typeof two !== "number") return 1;
        return Math.abs(one - two) / Math.max(Math.abs(one), Math.abs(two));
    }

    const rowsOf = (which, kind) => {
        const found = which.heat[kind].map((row) => ({key: row.node, label: player.labelOf(row.node), node: row.node, values: row.values, states: row.states}));
        if (kind !== "gradient") return found;
        const share = which.parameters.filter((each) => each.steps.length).map((each) => ({
            key: each.name, label: `\u2202 ${each.name}`, node: each.node, parameter: true,
            values: which.columns.map((t) => each.steps[t]), states: which.columns.map(() => ""),
        }));
        return [...found, ...share];
    };

    function gather() {
        const kind = shown === "output" ? "output" : "gradient";
        rows = rowsOf(shown === "second" ? player.second : trace, kind);
        if (shown === "difference") {
            const others = new Map(rowsOf(player.second, kind).map((row) => [row.parameter ? row.key : player.home(row.key), row]));
            rows = rows.map((row) => {
                const other = others.get(row.key);
                return {...row, pair: row.values.map((value, k) => [value, other ? other.values[k] : null]),
                    values: row.values.map((value, k) => apart(value, other ? other.values[k] ?? null : null)), states: row.states.map(() => "")};
            });
        }
        const named = (row) => row.parameter || (page.nodes.get(row.node) || {}).name;
        if (onlyNamed) rows = rows.filter(named);
        cursor.row = Math.min(cursor.row, rows.length - 1);
    }

    const difference = () => shown === "difference";
    const part = (value) => (difference() ? value : scale.part(value));

    // Numbers are written on paler colours.
    function color(value, style, wide) {
        if (typeof value === "string") return style("--warning");
        if (value === null || value === 0) return style("--edge");
        return scale.ramp(part(value), !wide);
    }

    // -- drawing ---------------------------------------------------------------------------------------

    function draw() {
        const room = scroll.clientWidth - labels.offsetWidth - 2;
        if (room < 20) return;
        const columns = trace.columns.length;
        width = Math.max(3, Math.min(62, Math.floor(room / columns)));
        const ratio = window.devicePixelRatio || 1;
        canvas.style.width = `${width * columns}px`;
        canvas.style.height = `${ROW * rows.length}px`;
        canvas.width = width * columns * ratio;
        canvas.height = ROW * rows.length * ratio;
        const pen = canvas.getContext("2d");
        pen.scale(ratio, ratio);
        const computed = getComputedStyle(document.documentElement);
        const style = (name) => computed.getPropertyValue(name).trim();
        const wide = width >= 44;
        const marks = new Set(trace.marks.filter((mark) => mark.pass === (shown === "output" ? "forward" : "backward")).map((mark) => `${mark.node} ${mark.step}`));
        pen.textBaseline = "middle";
        pen.textAlign = "center";
        for (const [r, row] of rows.entries()) {
            for (const [c, value] of row.values.entries()) {
                const x = c * width;
                const y = r * ROW;
                const state = row.states[c];
                pen.fillStyle = style(r % 2 ? "--panel" : "--paper");
                pen.fillRect(x, y, width, ROW);
                const tall = value === null || value === 0 ? 0 : typeof value === "string" ? ROW - 2 : 2 + (ROW - 4) * part(value);
                pen.fillStyle = color(value, style, wide);
                const gap = width > 8 ? 1 : 0;
                pen.fillRect(x + gap / 2, y + ROW - 1 - tall, width - gap, tall);
                const text = wide ? player.brief(value) : {nan: "N", inf: "\u221e", zero: "0", nothing: "\u2013"}[state] || "";
                if (text) {
                    pen.font = wide ? "10.5px sans-serif" : "9px sans-serif";
                    pen.fillStyle = typeof value === "string" ? style("--paper") : style(value === null || value === 0 ? "--faint" : "--ink");
                    pen.fillText(text, x + width / 2, y + ROW / 2 + 0.5);
                }
                if (!wide && (state === "vanishing" || state === "exploding")) {
                    pen.fillStyle = style("--warning");
                    if (width < 7) pen.fillRect(x, y + 1, width, 2);
                    else {
                        const [tip, foot] = state === "vanishing" ? [y + 6, y + 2] : [y + 2, y + 6];
                        pen.beginPath();
                        pen.moveTo(x + width / 2 - 3, foot);
                        pen.lineTo(x + width / 2 + 3, foot);
                        pen.lineTo(x + width / 2, tip);
                        pen.fill();
                    }
                }
                if (marks.has(`${row.node} ${trace.columns[c]}`) && !row.parameter && shown !== "second" && !difference()) {
                    pen.strokeStyle = style("--warning");
                    pen.lineWidth = 2;
                    pen.strokeRect(x + 1, y + 1, width - 2, ROW - 2);
                }
            }
        }
        const now = player.whole ? null : player.step;
        const column = trace.columns.indexOf(player.step.t);
        pen.strokeStyle = style("--accent");
        pen.lineWidth = 1;
        if (column >= 0) pen.strokeRect(column * width + 0.5, 0.5, width - 1, ROW * rows.length - 1);
        const at = now ? rows.findIndex((row) => row.node === now.event.node && !row.parameter) : -1;
        pen.lineWidth = 2.5;
        pen.strokeStyle = style("--ink");
        if (at >= 0 && column >= 0) pen.strokeRect(column * width + 1, at * ROW + 1, width - 2, ROW - 2);
        if (document.activeElement === grid) {
            pen.strokeStyle = style("--accent");
            pen.strokeRect(cursor.column * width + 1.5, cursor.row * ROW + 1.5, width - 3, ROW - 3);
        }
        const every = Math.ceil(26 / width);
        axis.replaceChildren(...trace.columns.map((t, k) => h("span", {style: `width:${width}px`}, k % every === 0 || k === columns - 1 && k % every > every / 2 ? t + 1 : "")));
        labels.replaceChildren(h("div", {class: "heat-corner"}, "t ="), ...rows.map((row) => h("div", {title: row.label, class: row.parameter ? "parameter" : ""}, row.label)));
    }

    function read({row, column}) {
        const found = rows[row];
        if (!found) return "";
        const t = trace.columns[column];
        const value = found.values[column];
        const what = difference()
            ? `${player.brief(found.pair[column][0])} and ${player.brief(found.pair[column][1])}, ${(100 * value).toPrecision(3)} % apart`
            : value === null ? "no gradient arrived" : `norm ${player.brief(value)}`;
        const state = found.states[column];
        return `${found.label}, t = ${t + 1}: ${what}${player.kinds[state] && state !== "nothing" ? ` (${player.kinds[state]})` : ""}`;
    }

    function point(event) {
        const box = canvas.getBoundingClientRect();
        return {
            row: Math.max(0, Math.min(rows.length - 1, Math.floor((event.clientY - box.top) / ROW))),
            column: Math.max(0, Math.min(trace.columns.length - 1, Math.floor((event.clientX - box.left) / width))),
        };
    }

    function open() {
        const t = trace.columns[cursor.column];
        const row = rows[cursor.row];
        player.pause();
        player.setDirection(shown === "output" ? "forward" : "backward");
        if (row.node === null) return;
        const near = player.times.reduce((best, each) => (Math.abs(each - t) < Math.abs(best - t) ? each : best));
        player.go(player.indexOf(row.node, near), 2);
        if (!player.second) page.select(row.node);
    }

    grid.addEventListener("pointermove", (event) => { readout.textContent = read(point(event)); });
    grid.addEventListener("pointerleave", () => { readout.textContent = document.activeElement === grid ? read(cursor) : hint(); });
    grid.addEventListener("click", (event) => {
        cursor = point(event);
        open();
        readout.textContent = read(cursor);
    });
    grid.addEventListener("focus", () => { readout.textContent = read(cursor); draw(); });
    grid.addEventListener("blur", draw);
    grid.addEventListener("keydown", (event) => {
        const move = {ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], Home: [0, -Infinity], End: [0, Infinity],
            PageUp: [-10, 0], PageDown: [10, 0]}[event.key];
        if (event.key === "Enter") open();
        else if (!move || event.ctrlKey || event.metaKey || event.altKey) return;
        else {
            cursor = {row: Math.max(0, Math.min(rows.length - 1, cursor.row + move[0])),
                column: Math.max(0, Math.min(trace.columns.length - 1, cursor.column + move[1]))};
            scroll.scrollTop = Math.max(cursor.row * ROW + 2 * ROW - scroll.clientHeight + 8, Math.min(scroll.scrollTop, cursor.row * ROW));
            scroll.scrollLeft = Math.max((cursor.column + 1) * width - scroll.clientWidth + labels.offsetWidth, Math.min(scroll.scrollLeft, cursor.column * width));
        }
        readout.textContent = read(cursor);
        draw();
        event.preventDefault();
        event.stopPropagation();
    });

    function refresh() {
        const kinds = second()
            ? [["gradient", "Gradient, first"], ["second", "second"], ["difference", "difference"]]
            : [["gradient", "Gradients"], ["output", "Outputs"]];
        options.replaceChildren(
            h("span", {class: "switch", role: "group", "aria-label": "What the map shows"}, kinds.map(([name, text]) => choose(name, text, shown === name, () => {
                shown = name;
                if (name === "output" || name === "gradient") player.setDirection(name === "output" ? "forward" : "backward");
                refresh();
            }))),
            h("label", null, h("input", {type: "checkbox", checked: onlyNamed, onchange: (event) => { onlyNamed = event.target.checked; refresh(); }}), " named nodes only"));
        gather();
        readout.textContent = hint();
        draw();
    }

    // The time step that is played stays in sight where not all of them are.
    function follow() {
        const column = trace.columns.reduce((best, t, k) => (Math.abs(t - player.step.t) < Math.abs(trace.columns[best] - player.step.t) ? k : best), 0);
        const [left, right] = [column * width, (column + 1) * width];
        const room = scroll.clientWidth - labels.offsetWidth;
        if (left < scroll.scrollLeft || right > scroll.scrollLeft + room) scroll.scrollLeft = left - room / 2;
    }

    player.onChange((how) => {
        if (how === "pause") return;
        const kind = {forward: "output", backward: "gradient"}[player.direction];
        if (!second() && kind !== shown) {
            shown = kind;
            refresh();
        } else draw();
        if (how !== "theme") follow();
    });
    page.on("theme", () => { if (rows.length) draw(); });
    page.on("ready", () => {
        refresh();
        // With two strips there is little room for the picture: the key m brings the small map back.
        const map = page.stage.querySelector(".minimap");
        if (map && page.stage.clientHeight < 420) map.hidden = true;
    });
    new ResizeObserver(draw).observe(scroll);
    player.heat = {read: (row, column) => read({row, column}), rows: () => rows.map((each) => each.label)};
});
