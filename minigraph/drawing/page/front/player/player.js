// The trace player's state: which pass, which time step, which node, and what moves between them.
//
// A position is an index into `player.steps`, the events in the order of the pass (all time steps
// of an Unroll one after the other), and a phase: contributions arrive (0), they are summed (1),
// the result is passed on (2). The index `steps.length` shows the whole pass.

page.part("player", () => {
    if (!page.traces.length) return;
    const trace = page.traces[0];
    const unrolled = trace.kind === "unroll";
    document.body.classList.add("traced");
    const PHASES = {backward: 3, forward: 2};
    const listeners = [];
    const known = {};
    let timer = 0;

    const player = page.player = {
        trace, unrolled,
        second: page.traces[1] || null,
        direction: "backward",
        index: 0,
        phase: 2,
        playing: false,
        speed: 1,
        calm: window.matchMedia("(prefers-reduced-motion: reduce)").matches,
        onChange: (listener) => listeners.push(listener),
    };

    // -- where things are ---------------------------------------------------------------------

    player.times = unrolled ? Object.keys(trace.details).map(Number) : [null];
    player.passAt = (t, which = trace) => (unrolled ? which.details[t] : which);

    function stepsOf(direction) {
        const times = direction === "backward" ? [...player.times].reverse() : player.times;
        return times.flatMap((t) => player.passAt(t)[direction].map((event, place) => ({t, event, place})));
    }

    Object.defineProperties(player, {
        steps: {get: () => (known[player.direction] ||= stepsOf(player.direction))},
        whole: {get: () => player.index >= player.steps.length},
        step: {get: () => player.steps[Math.min(player.index, player.steps.length - 1)]},
        phases: {get: () => PHASES[player.direction]},
    });

    // What the other trace recorded at the same node and time, or null.
    player.counterpart = (step) => {
        const id = player.second && player.second.difference.match[step.event.node];
        const pass = id === undefined || !player.second ? null : player.passAt(step.t, player.second);
        if (!pass) return null;
        return pass[player.direction].find((event) => event.node === id) || null;
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

    function changed(how) {
        for (const listener of listeners) listener(how);
    }

    player.go = (index, phase = 2, how = "jump") => {
        player.index = Math.max(0, Math.min(player.steps.length, index));
        player.phase = Math.min(phase, player.phases - 1);
        changed(how);
    };

    player.next = (how = "step") => {
        if (player.whole) player.go(0, 2, how);
        else if (player.phase < player.phases - 1) player.go(player.index, 2, how);
        else player.go(player.index + 1, 2, how);
    };

    player.previous = () => player.go(player.index - 1, 2, "step");

    player.nextPhase = (how = "phase") => {
        if (player.whole) player.go(0, 0, how);
        else if (player.phase < player.phases - 1) player.go(player.index, player.phase + 1, how);
        else player.go(player.index + 1, 0, how);
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
    player.timeNear = (t) => player.times.reduce((best, each) => (Math.abs(each - t) < Math.abs(best - t) ? each : best));
    player.goTo = (t) => player.go(player.indexOf(player.step.event.node, player.timeNear(t)), 2);

    player.goToMark = (mark) => {
        player.pause();
        player.setDirection(mark.pass);
        const time = mark.step;
        if (unrolled && !player.times.includes(time)) player.goTo(time);
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
    player.onChange((how) => {
        const chosen = page.selected;
        if (how !== "select" && chosen && (player.whole || chosen.id !== player.step.event.node)) page.select(null);
    });

    page.key(".", "next node of the pass", () => player.next(), "Trace");
    page.key(",", "previous node of the pass", () => player.previous(), "Trace");
    page.key(">", "next phase of a node", () => player.nextPhase(), "Trace");
    page.key("<", "previous phase", () => player.previousPhase(), "Trace");
    page.key(" ", "play, pause", () => player.toggle(), "Trace");
    page.key("Home", "begin of the pass", () => player.go(0), "Trace");
    page.key("End", "whole pass", () => player.go(player.steps.length), "Trace");
    if (unrolled) {
        page.key("]", "later time step", () => player.goTo(player.step.t + 1), "Trace");
        page.key("[", "earlier time step", () => player.goTo(player.step.t - 1), "Trace");
    }

    page.on("theme", () => { if (player.started) changed("theme"); });
    page.on("ready", () => {
        player.started = true;
        player.direction = page.view === "forward" ? "forward" : "backward";
        player.go(player.steps.length);
    });
});
