// How the values at a node are spread: histograms and statistics, of both traces where there are two.

page.part("histograms", () => {
    if (!page.player) return;
    const {player, h, s} = page;
    const WIDTH = 260;
    const TALL = 86;
    const BINS = 16;

    /** @typedef {Data.Summary | null | undefined} Maybe */
    /** @typedef {Data.Summary & {bins: number[], min: number, max: number}} Spread */

    /**
     * @param {Maybe} summary
     * @returns {summary is Spread}
     */
    const isSpread = (summary) => Boolean(summary?.bins);

    /**
     * Bars from the axis up. Both traces share the axes; the second is only outlined.
     * @param {Maybe[]} all
     * @param {string} title
     */
    function histogram(all, title) {
        const given = all.filter(isSpread);
        if (!given.length) return null;
        const low = Math.min(...given.map(({min}) => min));
        const high = Math.max(...given.map(({max}) => max));
        /** @param {number} value */
        const across = (value) => (high > low ? 6 + ((WIDTH - 12) * (value - low)) / (high - low) : WIDTH / 2);
        const most = Math.max(...given.map(({bins, count}) => Math.max(...bins) / count));

        const bars = given.map(({bins, min, max, count: total}, which) => bins.map((count, k) => {
            if (!count) return null;
            const single = bins.length === 1;
            /** @param {number} place */
            const edge = (place) => min + ((max - min) * place) / BINS;
            const from = single ? across(min) - 6 : across(edge(k));
            const to = single ? from + 12 : across(edge(k + 1));
            const size = (TALL * count) / total / most;
            const range = single ? player.brief(min) : `${player.brief(edge(k))} to ${player.brief(edge(k + 1))}`;
            return s("rect", {class: which ? "second" : "first", x: from + 0.5, y: 8 + TALL - size,
                width: Math.max(1, to - from - 1), height: size}, s("title", null, `${count}: ${range}`));
        }));

        /** @type {(text: string, x: number, anchor: string) => SVGElement} */
        const label = (text, x, anchor) => s("text", {x, y: TALL + 21, "text-anchor": anchor}, text);
        const labels = high > low
            ? [label(player.brief(low), 4, "start"), label(player.brief(high), WIDTH - 4, "end")]
            : [label(player.brief(low), WIDTH / 2, "middle")];
        if (low < 0 && high > 0) {
            const zero = across(0);
            labels.push(s("line", {class: "zero", x1: zero, x2: zero, y1: 4, y2: TALL + 12}));
            if (Math.min(zero, WIDTH - zero) > 50) labels.push(label("0", zero, "middle"));
        }
        const words = given.map(({count, min, max, mean, std}) => `${count} values from ${player.brief(min)} to ` +
            `${player.brief(max)}, mean ${player.brief(mean)}, standard deviation ${player.brief(std)}`);
        return h("figure", null, s("svg", {class: "trace-histogram", viewBox: `0 0 ${WIDTH} ${TALL + 26}`, role: "img",
            "aria-label": `${title}: ${words.join("; second: ")}`},
        bars, s("line", {x1: 4, x2: WIDTH - 4, y1: TALL + 8.5, y2: TALL + 8.5}), labels));
    }

    /** @typedef {"shape" | "mean" | "std" | "min" | "max" | "rms" | "zero" | "nan" | "inf"} LineKey */
    /** @type {[LineKey, string][]} */
    const LINES = [["shape", "shape"], ["mean", "mean"], ["std", "std"], ["min", "min"], ["max", "max"],
        ["rms", "RMS"], ["zero", "exactly 0"], ["nan", "NaN"], ["inf", "Inf"]];

    /**
     * @param {Maybe} summary
     * @param {LineKey} key
     */
    function written(summary, key) {
        if (!summary) return "\u2013";
        if (key === "zero") return `${summary.zero} of ${summary.count}`;
        return key === "shape" ? summary.shape : player.brief(summary[key]);
    }

    /** @param {Maybe[]} all */
    function statistics(all) {
        /** @param {LineKey} key */
        const bad = (key) => key === "nan" || key === "inf";
        const lines = LINES.filter(([key]) => !bad(key) || all.some((summary) => summary?.[key]));
        const heads = ["", "first", "second"].map((text) => h("th", null, text));
        return h("table", {class: "trace-facts"},
            all.length > 1 ? h("thead", null, h("tr", null, heads)) : null,
            h("tbody", null, lines.map(([key, name]) => h("tr", {class: bad(key) ? "broken" : key},
                h("th", {scope: "row"}, name),
                all.map((summary) => h("td", {class: "tabular"}, written(summary, key)))))));
    }

    /** @param {Data.Summary | null} summary */
    function withoutHistogram(summary) {
        if (!summary) return "No gradient arrived here: it counts as zero.";
        return summary.count ? "A trace of this size is kept without histograms." : "It is empty.";
    }

    // What stands beside the contributions of a step.
    player.spread = (step) => {
        const {summary} = step.event;
        const all = player.second ? [summary, player.counterpart(step)?.summary] : [summary];
        const title = `Values of its ${player.direction === "backward" ? "gradient" : "output"}`;
        const values = summary?.values;
        return [
            h("h3", null, title),
            histogram(all, title) || h("p", {class: "hint"}, withoutHistogram(summary)),
            statistics(all),
            values ? h("p", {class: "trace-values code"}, `[${values.map(player.brief).join(", ")}]`) : "",
        ];
    };
});
