// What happens at the present node: who contributed what, their sum, to whom it is passed on. For
// the whole pass: the gradients of the parameters.

page.part("step", () => {
    if (!page.player) return;
    const {player, h} = page;
    const now = h("section", {class: "trace-now-panel", "aria-label": "This node"});
    const spread = h("section", {class: "trace-spread", "aria-label": "Values at this node"});
    player.body.append(now, spread);

    /** @param {number} id */
    function link(id) {
        const go = () => {
            player.pause();
            page.select(id, {center: true});
        };
        return h("button", {class: "link", onclick: go}, player.labelOf(id));
    }

    /**
     * Which of the inputs of a node, where it has several.
     * @param {number} id
     * @param {number} slot
     */
    function inputOf(id, slot) {
        const node = page.nodes.get(id);
        return node && node.inputs.length > 1 ? `, its input ${slot}` : "";
    }

    /** @param {string} value */
    const number = (value) => h("td", {class: "tabular"}, value);

    // -- rows ----------------------------------------------------------------------------------------

    /** @typedef {Data.Summary | null} Summary null where nothing arrived */

    /**
     * @param {string} sign
     * @param {Child} words
     * @param {Summary} summary
     * @param {"in" | "sum" | "out"} kind
     * @param {boolean} pending
     * @param {Summary | undefined} other that of the second trace, undefined where it has no such thing
     */
    function row(sign, words, summary, kind, pending, other) {
        const norm = player.normOf(summary);
        const bad = [summary?.nan ? `${summary.nan} NaN` : "", summary?.inf ? `${summary.inf} Inf` : ""];
        return h("tr", {class: `${kind} ${pending ? "pending" : ""}`},
            h("th", {scope: "row"}, sign),
            h("td", null, words),
            h("td", {class: "trace-shape"}, summary ? summary.shape : "no gradient (zero)"),
            number(player.brief(norm)),
            h("td", null, player.bar(norm)),
            player.second ? number(other === undefined ? "" : player.brief(player.normOf(other))) : null,
            h("td", {class: "trace-state"}, bad.filter(Boolean).join(", ")));
    }

    /**
     * @param {Child[]} rows
     * @param {string} title
     */
    function table(rows, title) {
        const heads = [["", ""], ["", ""], ["shape", "trace-shape"], [player.second ? "norm, first" : "norm", ""], ["", ""],
            ...(player.second ? [["second", ""]] : []), ["", ""]];
        return h("table", {class: "trace-table"}, h("caption", null, title),
            h("thead", null, h("tr", null, heads.map(([text, kind]) => h("th", {class: kind || null}, text)))),
            h("tbody", null, rows));
    }

    /**
     * The second trace's contribution between the same two nodes at the same slot.
     * @param {Step} step
     * @param {Data.Contribution} each
     */
    function counterpart(step, each) {
        if (!player.second) return undefined;
        const {match} = player.second.difference;
        return player.passOf(player.second, step.t)?.contributions.find((other) =>
            other.consumer === match[each.consumer] && other.source === match[each.source] && other.slot === each.slot)?.summary;
    }

    /**
     * At the outputs that are fed back: what came from the caller, what from the next time step.
     * @param {Step} step
     */
    function arrivals(step) {
        if (!player.unrolled) return [];
        const {columns, T} = player.unrolled;
        const t = Number(step.t);
        const found = player.unrolled.arrivals[columns.indexOf(t)] || [];
        /** @type {(sign: string, words: Child, norm: Norm) => Child} */
        const cells = (sign, words, norm) => h("tr", {class: "in"}, h("th", {scope: "row"}, sign),
            h("td", null, words), h("td", {class: "trace-shape"}), number(player.brief(norm)),
            h("td", null, player.bar(norm)), player.second ? h("td") : null, h("td"));
        return found.flatMap((each) => [
            cells("", [h("b", null, each.output), " from the caller"], each.given),
            t + 1 === T ? "" : cells("+",
                [h("b", null, each.output), ` from the ${each.input} of time step ${t + 2}`], each.later),
        ]);
    }

    // -- the two directions --------------------------------------------------------------------------

    /** @param {Step} step */
    function backward(step) {
        const {node, summary, from = [], to = []} = step.event;
        const {contributions} = player.passAt(step.t);
        const count = from.length;
        const second = player.counterpart(step)?.summary;
        /** @type {Child[]} */
        const rows = from.map((index, k) => {
            const each = contributions[index];
            return row(k ? "+" : "", ["from ", link(each.consumer), inputOf(each.consumer, each.slot)], each.summary,
                "in", false, counterpart(step, each));
        });
        if (!count) {
            const given = arrivals(step);
            rows.push(...(given.length ? given : [row("", "passed to backward by the caller", summary, "in", false, second)]));
        }
        const several = rows.length > 1;
        rows.push(row(several ? "=" : "\u2192", h("b", null, several ? "the sum, its gradOutput" : "its gradOutput"),
            summary, "sum", player.phase < 1, second));
        for (const index of to) {
            const each = contributions[index];
            rows.push(row("\u2191", ["passed on to ", link(each.source), to.length > 1 ? `, input ${each.slot}` : ""],
                each.summary, "out", player.phase < 2, counterpart(step, each)));
        }
        return table(rows, count ? `${count} contribution${count === 1 ? "" : "s"} to ${player.labelOf(node)}`
            : "the gradient of the network's output");
    }

    /** @param {Step} step */
    function forward(step) {
        const {event} = step;
        const {second} = player;
        /** @param {Data.Pass | undefined} pass */
        const outputsOf = (pass) => new Map((pass ? pass.forward : []).map((each) => [each.node, each.summary]));
        const outputs = outputsOf(player.passAt(step.t));
        const others = outputsOf(second ? player.passOf(second, step.t) : undefined);
        /** @param {number} id */
        const otherOf = (id) => (second ? others.get(second.difference.match[id]) : undefined);
        const node = page.node(event.node);
        const rows = node.inputs.map((edge) => row("", [`input ${edge.slot}: `, link(edge.source)],
            outputs.get(edge.source) || null, "in", false, otherOf(edge.source)));
        rows.push(row("=", h("b", null, "its output"), event.summary, "sum", player.phase < 1, otherOf(event.node)));
        for (const edge of node.consumers) {
            rows.push(row("\u2193", ["goes to ", link(edge.target), inputOf(edge.target, edge.slot)], event.summary, "out",
                player.phase < 1, otherOf(event.node)));
        }
        return table(rows, `inputs and output of ${player.labelOf(event.node)}`);
    }

    /** @param {Step} step */
    function showStep(step) {
        const {event, t} = step;
        const label = player.labelOf(event.node);
        const node = page.node(event.node);
        const mark = player.trace.marks.find((each) =>
            each.pass === player.direction && each.node === event.node && each.step === t);
        /** @param {string} text */
        const hint = (text) => h("span", {class: "hint"}, ` ${text}`);
        const trouble = event.state && h("span", {class: `trace-symbol ${event.state}`},
            ` ${player.symbols[event.state]} ${player.kinds[event.state]}`);
        now.replaceChildren(
            h("h2", null, label, node.module && node.module !== label ? hint(node.module) : null,
                t === null ? null : hint(`time step ${t + 1}`), trouble || null),
            mark ? h("p", {class: "trace-why"}, `\u2691 ${mark.text}`) : "",
            player.direction === "backward" ? backward(step) : forward(step));
        spread.replaceChildren(...player.spread(step));
    }

    // -- the whole pass ------------------------------------------------------------------------------

    /** @param {Data.RecordedParameter} each */
    function parameter(each) {
        const other = player.second?.parameters.find((one) => one.name === each.name);
        const norm = player.normOf(each.summary);
        const second = player.second ? ` | ${other ? player.brief(player.normOf(other.summary)) : "\u2013"}` : "";
        const go = () => page.select(each.node, {center: true});
        return h("li", null,
            each.node === null ? h("span", null, each.name) : h("button", {class: "link", onclick: go}, each.name),
            h("span", {class: "trace-shape"}, each.summary ? each.summary.shape : ""),
            player.bar(norm),
            h("span", {class: "tabular"}, player.brief(norm), second));
    }

    function showAll() {
        const {parameters} = player.trace;
        const what = player.direction === "backward" ? "gradient of every node" : "output of every node";
        const time = player.unrolled
            ? ` Time step ${Number(player.step.t) + 1} of ${player.unrolled.T} is in the picture.` : "";
        const listed = player.direction === "backward" && !player.unrolled && parameters.length;
        now.replaceChildren(
            h("p", null, `The picture shows the norm of the ${what}.${time} Play (Space) or step (.) to see how it ` +
                "came about; click a node to see its part."),
            listed ? h("h3", null, `Gradients of the parameters from this pass: norm${player.second ? ", first | second" : ""}`) : "",
            listed ? h("ul", {class: "trace-parameters"}, parameters.map(parameter)) : "");
        spread.replaceChildren();
    }

    player.onChange((cause) => {
        if (cause === "pause") return;
        if (player.whole) showAll();
        else showStep(player.step);
    });
});
