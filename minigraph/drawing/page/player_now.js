// What happens at the present node: who contributed what, their sum, to whom it is passed on, and
// how the values are spread. For the whole pass: a summary with the parameters' gradients.

page.part("player_now", () => {
    if (!page.player) return;
    const {player, h, s} = page;
    const {scale} = player;
    const now = h("section", {class: "trace-now-panel", "aria-label": "This node"});
    const spread = h("section", {class: "trace-spread", "aria-label": "Values at this node"});
    player.body.append(now, spread);

    const link = (id) => h("button", {class: "link", onclick: () => { player.pause(); page.select(id, {center: true}); }}, player.labelOf(id));

    // Which of the inputs of a node, where it has several.
    function inputOf(id, slot) {
        const node = page.nodes.get(id);
        return node && node.inputs.length > 1 ? `, its input ${slot}` : "";
    }

    const number = (value) => h("td", {class: "tabular"}, value);

    function row(sign, words, facts, kind, pending, other) {
        const norm = player.normOf(facts);
        return h("tr", {class: `${kind} ${pending ? "pending" : ""}`},
            h("th", {scope: "row"}, sign), h("td", null, words),
            h("td", {class: "trace-shape"}, facts ? facts.shape : "no gradient (zero)"),
            number(player.brief(norm)), h("td", null, player.bar(norm)),
            player.second ? number(other === undefined ? "" : player.brief(player.normOf(other))) : null,
            h("td", {class: "trace-state"}, facts && (facts.nan || facts.inf) ? `${facts.nan ? `${facts.nan} NaN ` : ""}${facts.inf ? `${facts.inf} Inf` : ""}` : ""));
    }

    // The other trace's contribution between the same two nodes at the same slot.
    function counterpart(step, each) {
        const pass = player.second && player.passAt(step.t, player.second);
        if (!pass) return undefined;
        const {match} = player.second.difference;
        const found = pass.contributions.find((other) => other.consumer === match[each.consumer] &&
            other.source === match[each.source] && other.slot === each.slot);
        return found ? found.facts : undefined;
    }

    function heading(step) {
        const node = page.nodes.get(step.event.node);
        const trouble = step.event.state;
        return h("h2", null, player.labelOf(step.event.node),
            node && node.module && node.module !== player.labelOf(node.id) ? h("span", {class: "hint"}, ` ${node.module}`) : null,
            step.t === null ? null : h("span", {class: "hint"}, ` time step ${step.t + 1}`),
            trouble ? h("span", {class: `trace-symbol ${trouble}`}, ` ${player.symbols[trouble]} ${player.kinds[trouble]}`) : null);
    }

    function table(rows, title) {
        return h("table", {class: "trace-table"}, h("caption", null, title),
            h("thead", null, h("tr", null, h("th", null), h("th", null), h("th", {class: "trace-shape"}, "shape"),
                h("th", null, player.second ? "norm, first" : "norm"), h("th", null), player.second ? h("th", null, "second") : null, h("th", null))),
            h("tbody", null, rows));
    }

    function backward(step) {
        const pass = player.passAt(step.t);
        const {event} = step;
        const other = player.counterpart(step);
        const rows = event.from.map((index, k) => {
            const each = pass.contributions[index];
            return row(k ? "+" : "", ["from ", link(each.consumer), inputOf(each.consumer, each.slot)], each.facts, "in", false, counterpart(step, each));
        });
        const arrivals = player.unrolled && !event.from.length ? arrivalsAt(step) : null;
        if (!event.from.length && !arrivals) rows.push(row("", "passed to backward by the caller", event.facts, "in", false, other ? other.facts : undefined));
        rows.push(...(arrivals || []));
        const what = rows.length > 1 ? "the sum, its gradOutput" : "its gradOutput";
        rows.push(row(rows.length > 1 ? "=" : "\u2192", h("b", null, what), event.facts, "sum", player.phase < 1, other ? other.facts : undefined));
        for (const index of event.to) {
            const each = pass.contributions[index];
            rows.push(row("\u2191", ["passed on to ", link(each.source), event.to.length > 1 ? `, input ${each.slot}` : ""],
                each.facts, "out", player.phase < 2, counterpart(step, each)));
        }
        const count = event.from.length;
        return table(rows, count ? `${count} contribution${count === 1 ? "" : "s"} to ${player.labelOf(event.node)}` : "the gradient of the network's output");
    }

    // At the outputs that are fed back: what came from the caller, what from the next time step.
    function arrivalsAt(step) {
        const found = player.trace.arrivals[player.trace.columns.indexOf(step.t)];
        if (!found || !found.length) return null;
        const cells = (sign, words, norm) => h("tr", {class: "in"}, h("th", {scope: "row"}, sign), h("td", {colspan: 2}, words),
            number(player.brief(norm)), h("td", null, player.bar(norm)), player.second ? h("td") : null, h("td"));
        return found.flatMap((each) => [
            cells("", [h("b", null, each.output), " from the caller"], each.given),
            step.t + 1 === player.trace.T ? "" : cells("+", [h("b", null, each.output), ` from the ${each.input} of time step ${step.t + 2}`], each.later),
        ]);
    }

    function forward(step) {
        const pass = player.passAt(step.t);
        const outputs = new Map(pass.forward.map((event) => [event.node, event.facts]));
        const {event} = step;
        const other = player.counterpart(step);
        const node = page.nodes.get(event.node);
        const others = player.second && new Map((player.passAt(step.t, player.second) || {forward: []}).forward.map((each) => [each.node, each.facts]));
        const rows = (node ? node.inputs : []).map((edge) => row("", [`input ${edge.slot}: `, link(edge.source)],
            outputs.get(edge.source) || null, "in", false, others ? others.get(player.second.difference.match[edge.source]) : undefined));
        rows.push(row("=", h("b", null, "its output"), event.facts, "sum", player.phase < 1, other ? other.facts : undefined));
        for (const edge of node ? node.consumers : []) rows.push(row("\u2193", ["goes to ", link(edge.target), inputOf(edge.target, edge.slot)], event.facts, "out", player.phase < 1, other ? other.facts : undefined));
        return table(rows, `inputs and output of ${player.labelOf(event.node)}`);
    }

    // -- how the values are spread -------------------------------------------------------------------

    // Bars from zero up; both traces share the axes, the second is hatched.
    player.histogram = (all, title) => {
        const WIDTH = 260;
        const TALL = 86;
        const given = all.filter((facts) => facts && facts.bins);
        if (!given.length) return null;
        const low = Math.min(...given.map((facts) => facts.min));
        const high = Math.max(...given.map((facts) => facts.max));
        const across = (value) => (high > low ? 6 + ((WIDTH - 12) * (value - low)) / (high - low) : WIDTH / 2);
        const most = Math.max(...given.map((facts) => Math.max(...facts.bins) / facts.count));
        const parts = given.map((facts, which) => facts.bins.map((count, k) => {
            const single = facts.bins.length === 1;
            const from = single ? across(facts.min) - 6 : across(facts.min + ((facts.max - facts.min) * k) / 16);
            const to = single ? from + 12 : across(facts.min + ((facts.max - facts.min) * (k + 1)) / 16);
            const size = (TALL * count) / facts.count / most;
            const value = facts.min + ((facts.max - facts.min) * k) / 16;
            return count ? s("rect", {class: which ? "second" : "first", x: from + 0.5, y: 8 + TALL - size, width: Math.max(1, to - from - 1), height: size},
                s("title", null, `${count} from ${player.brief(value)} to ${player.brief(single ? value : value + (facts.max - facts.min) / 16)}`)) : null;
        }));
        const zero = low < 0 && high > 0 ? across(0) : null;
        const label = (value, x, anchor) => s("text", {x, y: TALL + 21, "text-anchor": anchor}, player.brief(value));
        return h("figure", null,
            s("svg", {class: "trace-histogram", viewBox: `0 0 ${WIDTH} ${TALL + 26}`, role: "img",
                "aria-label": `${title}: ${given.map((facts) => `${facts.count} values from ${player.brief(facts.min)} to ${player.brief(facts.max)}, mean ${player.brief(facts.mean)}, standard deviation ${player.brief(facts.std)}`).join("; second: ")}`},
            parts,
            s("line", {x1: 4, x2: WIDTH - 4, y1: TALL + 8.5, y2: TALL + 8.5}),
            zero === null ? null : s("line", {class: "zero", x1: zero, x2: zero, y1: 4, y2: TALL + 12}),
            zero === null || Math.min(zero, WIDTH - zero) < 50 ? null : s("text", {x: zero, y: TALL + 21, "text-anchor": "middle"}, "0"),
            high > low ? [label(low, 4, "start"), label(high, WIDTH - 4, "end")] : label(low, WIDTH / 2, "middle")));
    };

    function facts(all) {
        const lines = [["shape", "shape"], ["mean", "mean"], ["std", "std"], ["min", "min"], ["max", "max"], ["rms", "RMS"], ["zero", "exactly 0"], ["nan", "NaN"], ["inf", "Inf"]];
        return h("table", {class: "trace-facts"}, all.length > 1 ? h("thead", null, h("tr", null, h("th", null), h("th", null, "first"), h("th", null, "second"))) : null,
            h("tbody", null, lines.filter(([key]) => !["nan", "inf"].includes(key) || all.some((each) => each && each[key])).map(([key, name]) =>
                h("tr", {class: key === "nan" || key === "inf" ? "broken" : key}, h("th", {scope: "row"}, name),
                    all.map((each) => number(each ? (key === "zero" ? `${each.zero} of ${each.count}` : key === "shape" ? each.shape : player.brief(each[key])) : "\u2013"))))));
    }

    function showSpread(step) {
        const other = player.counterpart(step);
        const all = [step.event.facts, ...(player.second ? [other ? other.facts : null] : [])];
        const what = player.direction === "backward" ? "gradient" : "output";
        const values = all[0] && all[0].values;
        spread.replaceChildren(
            h("h3", null, `Values of its ${what}`),
            player.histogram(all, `Values of its ${what}`) || h("p", {class: "hint"}, !all[0] ? "No gradient arrived here: it counts as zero."
                : all[0].count ? "So large a trace is kept without histograms." : "It is empty."),
            facts(all),
            values ? h("p", {class: "trace-values code"}, `[${values.map(player.brief).join(", ")}]`) : "");
    }

    // -- the whole pass -------------------------------------------------------------------------------

    function summary() {
        const {trace} = player;
        const rows = trace.parameters.map((each) => {
            const other = player.second && player.second.parameters.find((one) => one.name === each.name);
            const norm = player.normOf(each.facts);
            return h("li", null,
                each.node === null ? h("span", null, each.name) : h("button", {class: "link", onclick: () => page.select(each.node, {center: true})}, each.name),
                h("span", {class: "trace-shape"}, each.facts ? each.facts.shape : ""), player.bar(norm),
                h("span", {class: "tabular"}, player.brief(norm), player.second ? ` | ${other ? player.brief(player.normOf(other.facts)) : "\u2013"}` : ""));
        });
        const what = player.direction === "backward" ? "gradient of every node" : "output of every node";
        const steps = player.unrolled ? ` Time step ${player.step.t + 1} of ${trace.T} is in the picture.` : "";
        now.replaceChildren(...[
            h("p", null, `The picture shows the norm of the ${what}.${steps} Play it (Space) or step (.) to see how it came about; click a node for its part.`),
            rows.length && player.direction === "backward" && !player.unrolled
                ? [h("h3", null, `Gradients of the parameters from this pass: norm${player.second ? ", first | second" : ""}`), h("ul", {class: "trace-parameters"}, rows)] : []].flat());
        spread.replaceChildren();
    }

    player.onChange((how) => {
        if (how === "pause") return;
        if (player.whole) return summary();
        const {step} = player;
        const mark = player.trace.marks.find((each) => each.pass === player.direction && each.node === step.event.node && each.step === step.t);
        now.replaceChildren(heading(step),
            mark ? h("p", {class: "trace-why"}, `\u2691 ${mark.text}`) : "",
            player.direction === "backward" ? backward(step) : forward(step));
        showSpread(step);
    });
});
