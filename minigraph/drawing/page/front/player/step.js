// What happens at the present node: who contributed what, their sum, to whom it is passed on. For
// the whole pass: the gradients of the parameters.

page.part("player_now", () => {
    if (!page.player) return;
    const {player, h} = page;
    const now = h("section", {class: "trace-now-panel", "aria-label": "This node"});
    const spread = h("section", {class: "trace-spread", "aria-label": "Values at this node"});
    player.body.append(now, spread);

    function link(id) {
        const go = () => {
            player.pause();
            page.select(id, {center: true});
        };
        return h("button", {class: "link", onclick: go}, player.labelOf(id));
    }

    // Which of the inputs of a node, where it has several.
    function inputOf(id, slot) {
        const node = page.nodes.get(id);
        return node && node.inputs.length > 1 ? `, its input ${slot}` : "";
    }

    const number = (value) => h("td", {class: "tabular"}, value);

    // -- rows ----------------------------------------------------------------------------------------

    // `other`: the facts of the second trace, null for nothing, undefined where it has no such thing.
    function row(sign, words, facts, kind, pending, other) {
        const norm = player.normOf(facts);
        const bad = facts ? [[facts.nan, "NaN"], [facts.inf, "Inf"]].filter(([count]) => count) : [];
        return h("tr", {class: `${kind} ${pending ? "pending" : ""}`},
            h("th", {scope: "row"}, sign),
            h("td", null, words),
            h("td", {class: "trace-shape"}, facts ? facts.shape : "no gradient (zero)"),
            number(player.brief(norm)),
            h("td", null, player.bar(norm)),
            player.second ? number(other === undefined ? "" : player.brief(player.normOf(other))) : null,
            h("td", {class: "trace-state"}, bad.map(([count, word]) => `${count} ${word}`).join(", ")));
    }

    function table(rows, title) {
        const heads = [["", ""], ["", ""], ["shape", "trace-shape"], [player.second ? "norm, first" : "norm", ""], ["", ""],
            ...(player.second ? [["second", ""]] : []), ["", ""]];
        return h("table", {class: "trace-table"}, h("caption", null, title),
            h("thead", null, h("tr", null, heads.map(([text, kind]) => h("th", {class: kind || null}, text)))),
            h("tbody", null, rows));
    }

    const secondPass = (step) => (player.second ? player.passAt(step.t, player.second) : null);

    // The second trace's contribution between the same two nodes at the same slot.
    function counterpart(step, each) {
        const pass = secondPass(step);
        if (!pass) return undefined;
        const {match} = player.second.difference;
        const found = pass.contributions.find((other) => other.consumer === match[each.consumer] &&
            other.source === match[each.source] && other.slot === each.slot);
        return found ? found.facts : undefined;
    }

    // At the outputs that are fed back: what came from the caller, what from the next time step.
    function arrivals(step) {
        const {columns, T} = player.trace;
        const found = player.unrolled ? player.trace.arrivals[columns.indexOf(step.t)] || [] : [];
        const cells = (sign, words, norm) => h("tr", {class: "in"}, h("th", {scope: "row"}, sign),
            h("td", null, words), h("td", {class: "trace-shape"}), number(player.brief(norm)),
            h("td", null, player.bar(norm)), player.second ? h("td") : null, h("td"));
        return found.flatMap((each) => [
            cells("", [h("b", null, each.output), " from the caller"], each.given),
            step.t + 1 === T ? "" : cells("+",
                [h("b", null, each.output), ` from the ${each.input} of time step ${step.t + 2}`], each.later),
        ]);
    }

    // -- the two directions --------------------------------------------------------------------------

    function backward(step) {
        const {event} = step;
        const {contributions} = player.passAt(step.t);
        const count = event.from.length;
        const second = (player.counterpart(step) || {}).facts;
        const rows = event.from.map((index, k) => {
            const each = contributions[index];
            return row(k ? "+" : "", ["from ", link(each.consumer), inputOf(each.consumer, each.slot)], each.facts,
                "in", false, counterpart(step, each));
        });
        if (!count) {
            const given = arrivals(step);
            rows.push(...(given.length ? given : [row("", "passed to backward by the caller", event.facts, "in", false, second)]));
        }
        const several = rows.length > 1;
        rows.push(row(several ? "=" : "\u2192", h("b", null, several ? "the sum, its gradOutput" : "its gradOutput"),
            event.facts, "sum", player.phase < 1, second));
        for (const index of event.to) {
            const each = contributions[index];
            rows.push(row("\u2191", ["passed on to ", link(each.source), event.to.length > 1 ? `, input ${each.slot}` : ""],
                each.facts, "out", player.phase < 2, counterpart(step, each)));
        }
        return table(rows, count ? `${count} contribution${count === 1 ? "" : "s"} to ${player.labelOf(event.node)}`
            : "the gradient of the network's output");
    }

    function forward(step) {
        const {event} = step;
        const outputs = new Map(player.passAt(step.t).forward.map((each) => [each.node, each.facts]));
        const pass = secondPass(step);
        const others = pass && new Map(pass.forward.map((each) => [each.node, each.facts]));
        const otherOf = (id) => (others ? others.get(player.second.difference.match[id]) : undefined);
        const node = page.nodes.get(event.node);
        const rows = node.inputs.map((edge) => row("", [`input ${edge.slot}: `, link(edge.source)],
            outputs.get(edge.source) || null, "in", false, otherOf(edge.source)));
        rows.push(row("=", h("b", null, "its output"), event.facts, "sum", player.phase < 1, otherOf(event.node)));
        for (const edge of node.consumers) {
            rows.push(row("\u2193", ["goes to ", link(edge.target), inputOf(edge.target, edge.slot)], event.facts, "out",
                player.phase < 1, otherOf(event.node)));
        }
        return table(rows, `inputs and output of ${player.labelOf(event.node)}`);
    }

    function showStep(step) {
        const {event, t} = step;
        const label = player.labelOf(event.node);
        const node = page.nodes.get(event.node);
        const mark = player.trace.marks.find((each) =>
            each.pass === player.direction && each.node === event.node && each.step === t);
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

    function parameter(each) {
        const other = player.second && player.second.parameters.find((one) => one.name === each.name);
        const norm = player.normOf(each.facts);
        const second = player.second ? ` | ${other ? player.brief(player.normOf(other.facts)) : "\u2013"}` : "";
        const go = () => page.select(each.node, {center: true});
        return h("li", null,
            each.node === null ? h("span", null, each.name) : h("button", {class: "link", onclick: go}, each.name),
            h("span", {class: "trace-shape"}, each.facts ? each.facts.shape : ""),
            player.bar(norm),
            h("span", {class: "tabular"}, player.brief(norm), second));
    }

    function showAll() {
        const {parameters, T} = player.trace;
        const what = player.direction === "backward" ? "gradient of every node" : "output of every node";
        const time = player.unrolled ? ` Time step ${player.step.t + 1} of ${T} is in the picture.` : "";
        const listed = player.direction === "backward" && !player.unrolled && parameters.length;
        now.replaceChildren(
            h("p", null, `The picture shows the norm of the ${what}.${time} Play it (Space) or step (.) to see how it ` +
                "came about; click a node for its part."),
            listed ? h("h3", null, `Gradients of the parameters from this pass: norm${player.second ? ", first | second" : ""}`) : "",
            listed ? h("ul", {class: "trace-parameters"}, parameters.map(parameter)) : "");
        spread.replaceChildren();
    }

    player.onChange((how) => {
        if (how === "pause") return;
        if (player.whole) showAll();
        else showStep(player.step);
    });
});
