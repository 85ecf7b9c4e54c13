// How the values at a node are spread: histograms and statistics, of both traces where there are two.

page.part("player_values", () => {
    if (!page.player) return;
    const {player, h, s} = page;
    const WIDTH = 260;
    const TALL = 86;
    const BINS = 16;

    // Bars from the axis up. Both traces share the axes; the second is only outlined.
    player.histogram = (all, title) => {
        const given = all.filter((facts) => facts && facts.bins);
        if (!given.length) return null;
        const low = Math.min(...given.map((facts) => facts.min));
        const high = Math.max(...given.map((facts) => facts.max));
        const across = (value) => (high > low ? 6 + ((WIDTH - 12) * (value - low)) / (high - low) : WIDTH / 2);
        const most = Math.max(...given.map((facts) => Math.max(...facts.bins) / facts.count));

        const bars = given.map((facts, which) => facts.bins.map((count, k) => {
            if (!count) return null;
            const single = facts.bins.length === 1;
            const edge = (place) => facts.min + ((facts.max - facts.min) * place) / BINS;
            const from = single ? across(facts.min) - 6 : across(edge(k));
            const to = single ? from + 12 : across(edge(k + 1));
            const size = (TALL * count) / facts.count / most;
            const range = single ? player.brief(facts.min) : `${player.brief(edge(k))} to ${player.brief(edge(k + 1))}`;
            return s("rect", {class: which ? "second" : "first", x: from + 0.5, y: 8 + TALL - size,
                width: Math.max(1, to - from - 1), height: size}, s("title", null, `${count}: ${range}`));
        }));

        const label = (text, x, anchor) => s("text", {x, y: TALL + 21, "text-anchor": anchor}, text);
        const labels = high > low
            ? [label(player.brief(low), 4, "start"), label(player.brief(high), WIDTH - 4, "end")]
            : [label(player.brief(low), WIDTH / 2, "middle")];
        if (low < 0 && high > 0) {
            const zero = across(0);
            labels.push(s("line", {class: "zero", x1: zero, x2: zero, y1: 4, y2: TALL + 12}));
            if (Math.min(zero, WIDTH - zero) > 50) labels.push(label("0", zero, "middle"));
        }
        const words = given.map((facts) => `${facts.count} values from ${player.brief(facts.min)} to ` +
            `${player.brief(facts.max)}, mean ${player.brief(facts.mean)}, standard deviation ${player.brief(facts.std)}`);
        return h("figure", null, s("svg", {class: "trace-histogram", viewBox: `0 0 ${WIDTH} ${TALL + 26}`, role: "img",
            "aria-label": `${title}: ${words.join("; second: ")}`},
        bars, s("line", {x1: 4, x2: WIDTH - 4, y1: TALL + 8.5, y2: TALL + 8.5}), labels));
    };

    const LINES = [["shape", "shape"], ["mean", "mean"], ["std", "std"], ["min", "min"], ["max", "max"],
        ["rms", "RMS"], ["zero", "exactly 0"], ["nan", "NaN"], ["inf", "Inf"]];

    function written(facts, key) {
        if (!facts) return "\u2013";
        if (key === "zero") return `${facts.zero} of ${facts.count}`;
        return key === "shape" ? facts.shape : player.brief(facts[key]);
    }

    function statistics(all) {
        const bad = (key) => key === "nan" || key === "inf";
        const lines = LINES.filter(([key]) => !bad(key) || all.some((facts) => facts && facts[key]));
        const heads = ["", "first", "second"].map((text) => h("th", null, text));
        return h("table", {class: "trace-facts"},
            all.length > 1 ? h("thead", null, h("tr", null, heads)) : null,
            h("tbody", null, lines.map(([key, name]) => h("tr", {class: bad(key) ? "broken" : key},
                h("th", {scope: "row"}, name),
                all.map((facts) => h("td", {class: "tabular"}, written(facts, key)))))));
    }

    function withoutHistogram(facts) {
        if (!facts) return "No gradient arrived here: it counts as zero.";
        return facts.count ? "So large a trace is kept without histograms." : "It is empty.";
    }

    // What stands beside the contributions of a step.
    player.spread = (step) => {
        const other = player.counterpart(step);
        const all = [step.event.facts, ...(player.second ? [other ? other.facts : null] : [])];
        const title = `Values of its ${player.direction === "backward" ? "gradient" : "output"}`;
        const values = all[0] && all[0].values;
        return [
            h("h3", null, title),
            player.histogram(all, title) || h("p", {class: "hint"}, withoutHistogram(all[0])),
            statistics(all),
            values ? h("p", {class: "trace-values code"}, `[${values.map(player.brief).join(", ")}]`) : "",
        ];
    };
});
