// The trace player's state: which pass, which time step, which node, and what moves between them.
//
// A position is an index into `player.steps`, the events in the order of the pass (all time steps
// of an Unroll one after the other), and a phase: contributions arrive (0), they are summed (1),
// the result is passed on (2). The index `steps.length` shows the whole pass.

page.part("player", () => {
    if (!page.traces.length) return;
    const trace = page.traces[0];
    const unrolled = trace.kind === "unroll" ? trace : null;
    document.body.classList.add("traced");
    const PHASES = {backward: 3, forward: 2};
    /** @type {((cause: Cause) => void)[]} */
    const listeners = [];
    let timer = 0;

    // The rest is added below, and by the other files.
    const player = /** @type {Player} */ ({
        trace, unrolled,
        second: /** @type {Compared | undefined} */ (page.traces[1]) || null,
        direction: "backward",
        index: 0,
        phase: 2,
        playing: false,
        speed: 1,
        calm: window.matchMedia("(prefers-reduced-motion: reduce)").matches,
        started: false,
        get times() { return times; },
        get steps() { return steps[this.direction]; },
        get whole() { return this.index >= this.steps.length; },
        get step() { return this.steps[Math.min(this.index, this.steps.length - 1)]; },
        get phases() { return PHASES[this.direction]; },
        onChange: (listener) => { listeners.push(listener); },
    });
    page.player = player;

    // -- where things are ---------------------------------------------------------------------

    /** @type {Time[]} */
    const times = unrolled ? Object.keys(unrolled.details).map(Number) : [null];
    player.passOf = (which, t) => (which.kind === "unroll" ? which.details[String(t)] : which);
    player.passAt = (t) => {
        const pass = player.passOf(trace, t);
        if (!pass) throw new Error(`the page has no events of time step ${t}`);
        return pass;
    };

    /** @type {(direction: Data.View) => Step[]} */
    function stepsOf(direction) {
        const ordered = direction === "backward" ? [...times].reverse() : times;
        return ordered.flatMap((t) => player.passAt(t)[direction].map((event) => ({t, event, index: 0})))
            .map((step, index) => ({...step, index}));
    }
    const steps = {forward: stepsOf("forward"), backward: stepsOf("backward")};

    // What the other trace recorded at the same node and time, or null.
    player.counterpart = (step) => {
        if (!player.second) return null;
        const id = player.second.difference.match[step.event.node];
        return player.passOf(player.second, step.t)?.[player.direction].find((event) => event.node === id) || null;
    };

    player.indexOf = (id, t = player.step.t) =>
        player.steps.findIndex((step) => step.event.node === id && step.t === t);

    player.labelOf = (id) => {
        const node = page.nodes.get(id);
        if (!node) return `node ${id}`;
        if (node.name || node.role !== "module") return node.name || node.label;
        return `${node.type || node.label} #${id}`;
    };

    // -- moving -------------------------------------------------------------------------------

    /** @param {Cause} cause */
    function changed(cause) {
        for (const listener of listeners) listener(cause);
    }

    player.go = (index, phase = 2, cause = "jump") => {
        player.index = Math.max(0, Math.min(player.steps.length, index));
        player.phase = Math.min(phase, player.phases - 1);
        changed(cause);
    };

    player.next = (cause = "step") => {
        if (player.whole) player.go(0, 2, cause);
        else if (player.phase < player.phases - 1) player.go(player.index, 2, cause);
        else player.go(player.index + 1, 2, cause);
    };

    player.previous = () => player.go(player.index - 1, 2, "step");

    player.nextPhase = (cause = "phase") => {
        if (player.whole) player.go(0, 0, cause);
        else if (player.phase < player.phases - 1) player.go(player.index, player.phase + 1, cause);
        else player.go(player.index + 1, 0, cause);
    };

    player.previousPhase = () => {
        if (player.phase > 0 && !player.whole) player.go(player.index, player.phase - 1, "phase");
        else player.go(player.index - 1, 2, "phase");
    };

    player.setDirection = (direction) => {
        if (direction === player.direction || !player.started) return;
        const {t, event} = player.step;
        const whole = player.whole;
        player.direction = direction;
        page.setView(direction);
        player.go(whole ? player.steps.length : player.indexOf(event.node, t), 2);
    };

    // Another time step, at the same node. (Of a long sequence not every step has its events here.)
    player.timeNear = (t) => times.reduce((best, each) => (Math.abs(Number(each) - t) < Math.abs(Number(best) - t) ? each : best));
    player.goTo = (t) => player.go(player.indexOf(player.step.event.node, player.timeNear(t)), 2);

    player.goToMark = (mark) => {
        player.pause();
        player.setDirection(mark.pass);
        const time = mark.step;
        if (time !== null && !times.includes(time)) player.goTo(time);
        else player.go(player.indexOf(mark.node, time), 2);
        if (!player.second) page.select(mark.node);
        page.reveal([mark.node]);
    };

    // -- playing ------------------------------------------------------------------------------

    // Above a few nodes a second nobody sees phases, so whole nodes are shown one after the other.
    player.showsPhases = () => player.speed < 4;

    player.phaseTime = () => {
        const node = 1600 / player.speed;
        if (!player.showsPhases()) return node;
        return node * (player.phases === 2 ? [0.6, 0.4] : [0.45, 0.2, 0.35])[player.phase];
    };

    function tick() {
        if (!player.playing) return;
        if (player.whole) return player.pause();
        if (player.showsPhases()) player.nextPhase("play");
        else player.go(player.index + 1, 2, "play");
        timer = setTimeout(tick, player.phaseTime());
    }

    player.play = () => {
        if (player.playing) return;
        player.playing = true;
        if (player.whole) player.go(0, player.showsPhases() ? 0 : 2, "play");
        else changed("play");
        timer = setTimeout(tick, player.phaseTime());
    };

    player.pause = () => {
        clearTimeout(timer);
        if (!player.playing) return;
        player.playing = false;
        changed("pause");
    };

    player.toggle = () => (player.playing ? player.pause() : player.play());

    page.on("view", (view) => player.setDirection(view));
    page.on("select", (node) => {
        if (!node || player.playing || (!player.whole && node.id === player.step.event.node)) return;
        const index = player.indexOf(node.id);
        if (index >= 0) player.go(index, 2, "select");
    });
    player.onChange((cause) => {
        const chosen = page.selected;
        if (cause !== "select" && chosen && (player.whole || chosen.id !== player.step.event.node)) page.select(null);
    });

    page.key(".", "next node of the pass", () => player.next(), "Trace");
    page.key(",", "previous node of the pass", () => player.previous(), "Trace");
    page.key(">", "next phase of a node", () => player.nextPhase(), "Trace");
    page.key("<", "previous phase", () => player.previousPhase(), "Trace");
    page.key(" ", "play, pause", () => player.toggle(), "Trace");
    page.key("Home", "start of the pass", () => player.go(0), "Trace");
    page.key("End", "whole pass", () => player.go(player.steps.length), "Trace");
    if (unrolled) {
        page.key("]", "later time step", () => player.goTo(Number(player.step.t) + 1), "Trace");
        page.key("[", "earlier time step", () => player.goTo(Number(player.step.t) - 1), "Trace");
    }

    page.on("theme", () => { if (player.started) changed("theme"); });
    page.on("ready", () => {
        player.started = true;
        player.direction = page.view === "forward" ? "forward" : "backward";
        player.go(player.steps.length);
    });
});
