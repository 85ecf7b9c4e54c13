// The trace in the picture: what its nodes and lines show at the present position.

page.part("picture", () => {
    if (!page.player) return;
    const {player} = page;

    /**
     * The line that a contribution runs along; the record of a part of a split counts entries.
     * @param {number} source
     * @param {number} consumer
     * @param {number} slot
     */
    function edgeOf(source, consumer, slot) {
        const found = page.nodes.get(source)?.consumers.filter((edge) => edge.target === consumer) || [];
        return found.find((edge) => edge.slot === slot) || found[0];
    }

    const own = new player.Surface(page.drawing, (id) => page.nodes.get(id), (edge) => edge.line);
    player.surfaces = [{surface: own, trace: player.trace, home: (id) => id}];

    const FIRST = {nan: "first NaN", inf: "first Inf", vanishing: "vanishing from here",
        exploding: "exploding from here", zero: "zero from here"};

    /** @typedef {{norm: Norm, state: Data.State, inward: Moving[], outward: Moving[]}} Place */

    /** @type {(edge: PageEdge | undefined, summary: Data.Summary | null) => Moving[]} */
    const moving = (edge, summary) => (edge ? [{edge, norm: player.normOf(summary), given: summary !== null}] : []);

    /**
     * @param {Data.Pass} pass
     * @param {number[]} indices
     * @param {Home} home
     */
    function contributions(pass, indices, home) {
        return indices.map((index) => pass.contributions[index]).flatMap(({source, consumer, slot, summary}) =>
            moving(edgeOf(home(source), home(consumer), slot), summary));
    }

    /**
     * What every node of a pass got, has and gives, by the first trace's ids.
     * @param {Data.Pass} pass
     * @param {Home} home
     * @returns {Map<number, Place>}
     */
    function workOut(pass, home) {
        if (player.direction === "backward") {
            return new Map(pass.backward.map(({node, summary, state, from, to}) => [home(node), {
                norm: player.normOf(summary), state,
                inward: contributions(pass, from, home), outward: contributions(pass, to, home),
            }]));
        }
        const outputs = new Map(pass.forward.map(({node, summary}) => [home(node), summary]));
        return new Map(pass.forward.map(({node, summary, state}) => [home(node), {
            norm: player.normOf(summary), state,
            inward: (page.nodes.get(home(node))?.inputs || [])
                .flatMap((edge) => moving(edge, outputs.get(edge.source) || null)),
            outward: [],
        }]));
    }

    /** @type {Map<Data.Event[], Map<number, Place>>} */
    const worked = new Map();
    /** @type {typeof workOut} */
    function placesOf(pass, home) {
        const events = pass[player.direction];
        const places = worked.get(events) || workOut(pass, home);
        worked.set(events, places);
        return places;
    }

    /**
     * Over time the largest differences are known of all steps together only: statistics decide.
     * @param {Step} step
     */
    function differ(step) {
        if (!player.second) return false;
        if (!player.unrolled) {
            const far = player.second.difference.nodes[step.event.node];
            return Boolean(far && (player.direction === "forward" ? far.forward : far.sum));
        }
        const [one, two] = [step.event.summary, player.counterpart(step)?.summary || null];
        return one && two ? one.norm !== two.norm || one.min !== two.min || one.max !== two.max || one.mean !== two.mean
            : one !== two;
    }

    /**
     * What the surface of one trace shows, and what moves on it.
     * @param {Player["surfaces"][0]} surface
     * @returns {Shown & {moving: Moving[]}}
     */
    function shownOn({trace, home}) {
        /** @type {Shown["nodes"]} */
        const nodes = new Map();
        /** @type {Shown["lines"]} */
        const lines = new Map();
        const {t} = player.step;
        const pass = player.passOf(trace, t);
        if (!pass) return {nodes, lines, active: null, dim: true, moving: []};
        const marks = new Map(trace.marks.filter((mark) => mark.pass === player.direction && mark.step === t)
            .map((mark) => [home(mark.node), FIRST[mark.kind]]));
        const parting = player.second?.difference.first[player.direction];
        const firstDifference = parting && parting.step === t ? parting.node : null;
        const now = player.whole ? null : player.step;
        const places = placesOf(pass, home);
        /** @type {Moving[]} */
        let onTheWay = [];
        for (const step of player.steps) {
            if (now && step.index > player.index) break;
            if (step.t !== t) continue;
            const place = places.get(step.event.node);
            if (!place) continue;
            const current = step === now;
            const id = step.event.node;
            if (!current || player.phase > 0) {
                nodes.set(id, {
                    norm: place.norm, state: place.state, differs: differ(step),
                    first: marks.get(id) || (id === firstDifference ? "first difference" : ""),
                });
            }
            const {inward} = place;
            const outward = current && player.phase < player.phases - 1 ? [] : place.outward.filter(({given}) => given);
            for (const [parts, phase] of /** @type {[Moving[], number][]} */ ([[inward, 0], [outward, 2]])) {
                for (const {edge, norm} of parts) lines.set(edge, {norm, now: current && player.phase === phase});
            }
            if (current) onTheWay = player.phase === 0 ? inward : player.phase === 2 ? outward : [];
        }
        return {nodes, lines, active: now ? boxOf(now.event.node) : null, dim: Boolean(now),
            moving: onTheWay.filter(({given}) => given)};
    }

    /** @param {number} id */
    function boxOf(id) {
        const node = page.node(id);
        return node.cell ? id : node.box;
    }

    player.onChange((cause) => {
        for (const each of player.surfaces) {
            if (cause === "theme") each.surface.colors.clear();
            const shown = shownOn(each);
            each.surface.show(shown);
            const animate = cause === "step" || cause === "phase" || (cause === "play" && player.showsPhases());
            each.surface.run(animate ? shown.moving : [], player.phaseTime() * 0.95, player.direction === "backward",
                player.phase === 0);
        }
        if (!player.whole && !["select", "theme", "slide"].includes(cause)) page.reveal([player.step.event.node]);
    });
});
