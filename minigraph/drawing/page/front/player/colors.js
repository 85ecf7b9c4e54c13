// Magnitude as colour, number and length; symbols for what is wrong.

page.part("colors", () => {
    if (!page.player) return;
    const {player} = page;
    const {h, s} = page;
    const DECADES = 12;

    player.symbols = {nan: "NaN", inf: "\u221e", zero: "0", vanishing: "\u25bc", exploding: "\u25b2",
        nothing: "\u2013"};
    player.kinds = {nan: "NaN", inf: "Inf", zero: "zero", vanishing: "vanishing", exploding: "exploding",
        nothing: "no gradient"};

    // The norm of what an event left at its node: a number, "nan" or "inf", or null for nothing.
    player.normOf = (summary) => {
        if (!summary) return null;
        return summary.nan ? "nan" : summary.inf ? "inf" : summary.norm;
    };

    /** @param {Data.View} direction */
    function rangeOf(direction) {
        let low = Infinity;
        let high = 0;
        for (const each of [player.trace, player.second]) {
            if (!each) continue;
            for (const t of player.times) {
                for (const event of player.passOf(each, t)?.[direction] || []) {
                    const norm = player.normOf(event.summary);
                    if (typeof norm !== "number" || !norm) continue;
                    low = Math.min(low, norm);
                    high = Math.max(high, norm);
                }
            }
        }
        if (!high) [low, high] = [1, 1];
        // From a half power of ten to another: what differs little is told apart, too.
        const top = Math.ceil(2 * Math.log10(high) - 1e-9) / 2;
        const bottom = Math.min(Math.floor(2 * Math.log10(low) + 1e-9) / 2, top - 1);
        return {low: Math.max(bottom, top - DECADES), high: top};
    }

    const ranges = {forward: rangeOf("forward"), backward: rangeOf("backward")};
    const range = () => ranges[player.direction];

    /** @type {Scale["part"]} */
    function part(norm) {
        if (typeof norm !== "number") return norm === null ? 0 : 1;
        const {low, high} = range();
        return norm ? Math.max(0, Math.min(1, (Math.log10(norm) - low) / (high - low))) : 0;
    }

    const isDark = () => document.documentElement.dataset.theme === "dark";
    /** @type {(part: number, from: number, to: number) => number} */
    const mix = (part, from, to) => from + part * (to - from);

    /**
     * From a pale blue over green to orange; always further from the paper, so that it works in grey.
     * @type {Scale["ramp"]}
     */
    function ramp(part, strong = false) {
        const [from, to] = isDark() ? (strong ? [0.45, 0.8] : [0.3, 0.54]) : (strong ? [0.8, 0.58] : [0.955, 0.77]);
        const chroma = isDark() ? mix(part, 0.045, 0.13) : mix(part, 0.03, 0.15);
        return `oklch(${mix(part, from, to).toFixed(3)} ${chroma.toFixed(3)} ${mix(part, 250, 45).toFixed(0)})`;
    }

    /** @type {Scale["color"]} */
    function color(norm, strong = false) {
        if (norm === null || norm === 0) return "var(--paper)";
        if (typeof norm !== "number") return "var(--nan-fill)";
        return ramp(part(norm), strong);
    }

    player.scale = {range, part, ramp, color};

    // A number of two or three digits, short enough for a picture.
    player.brief = (value) => {
        if (value === null || value === undefined) return "\u2013";
        if (typeof value === "string") return {nan: "NaN", inf: "\u221e", "-inf": "\u2212\u221e"}[value] || value;
        const size = Math.abs(value);
        if (!size) return "0";
        const text = size >= 1e4 || size < 1e-2 ? value.toExponential(1) : String(Number(value.toPrecision(3)));
        return text.replace("e+", "e").replace(/-/g, "\u2212");
    };

    // A bar as long as the magnitude is large on the scale.
    player.bar = (norm) => {
        const inner = h("span", {class: typeof norm === "string" ? "broken" : ""});
        inner.style.width = `${norm ? Math.max(3, 100 * part(norm)) : 0}%`;
        if (typeof norm === "number") inner.style.background = color(norm, true);
        return h("span", {class: "trace-bar", "aria-hidden": "true"}, inner);
    };

    // -- the legend ----------------------------------------------------------------------------------

    const WIDTH = 150;
    const EDGE = 15;
    const STEPS = 24;
    /** @type {Exclude<Data.State, "">[]} */
    const ORDER = ["vanishing", "exploding", "zero", "nan", "inf", "nothing"];

    /**
     * @param {number} power
     * @param {number} x
     */
    function tick(power, x) {
        const plain = Math.abs(power) <= 2 || power % 1;
        const text = plain ? player.brief(Number((10 ** power).toPrecision(2)))
            : ["10", s("tspan", {dy: -4, "font-size": 8}, String(power).replace("-", "\u2212"))];
        return s("text", {x, y: 22, "text-anchor": "middle"}, text);
    }

    function wedge() {
        const {low, high} = range();
        const every = high - low <= 2 ? 0.5 : Math.ceil((high - low) / 4);
        /** @type {SVGElement[]} */
        const ticks = [];
        for (let power = every < 1 ? low : Math.ceil(low); power <= high + 1e-9; power += every) {
            ticks.push(tick(power, EDGE + (WIDTH * (power - low)) / (high - low)));
        }
        const bars = Array.from({length: STEPS}, (_, k) => {
            const tall = (7 * (k + 1)) / STEPS;
            return s("rect", {x: EDGE + (k * WIDTH) / STEPS, y: 9 - tall, width: WIDTH / STEPS + 0.5, height: 2 + tall,
                fill: ramp((k + 0.5) / STEPS, true)});
        });
        const full = WIDTH + 2 * EDGE;
        return s("svg", {width: full, height: 26, viewBox: `0 0 ${full} 26`, "aria-hidden": "true"}, bars, ticks);
    }

    // The ramp with its numbers, and the symbols that occur.
    player.legend = () => {
        const {low, high} = range();
        const states = new Set(player.steps.map((step) => step.event.state));
        const symbols = ORDER.filter((state) => states.has(state)).map((state) =>
            h("span", {class: `trace-symbol ${state}`, title: state === "nothing" ? "no gradient arrived" : player.trace.rules[state]},
                h("b", null, player.symbols[state]), player.symbols[state] === player.kinds[state] ? "" : ` ${player.kinds[state]}`));
        return h("div", {class: "trace-legend", role: "img", "aria-label": "Colour and length tell the norm, from " +
            `${player.brief(10 ** low)} to ${player.brief(10 ** high)}, on a logarithmic scale`},
        h("span", null, player.direction === "backward" ? "\u2016gradient\u2016" : "\u2016output\u2016"),
        wedge(), symbols);
    };
});
