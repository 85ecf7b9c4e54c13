// The strip under the picture: play and step, the profile of the whole pass, the scale, the marks.

page.part("player_controls", () => {
    if (!page.player) return;
    const {player, h, s} = page;
    const {scale} = player;
    const panel = player.panel = page.panel({id: "player", title: "Trace", place: "bottom", order: 10});
    const HEIGHT = 46;

    const ICONS = {
        first: "M3 3V13M13 3V13L5 8Z", back: "M11 3V13L3.5 8Z", play: "M4.5 2.5V13.5L13 8Z", pause: "M5 3V13M11 3V13",
        onward: "M5 3V13L12.5 8Z", last: "M13 3V13M3 3V13L11 8Z", earlier: "M10 3L5 8L10 13", later: "M6 3L11 8L6 13",
    };
    const icon = (name) => s("svg", {viewBox: "0 0 16 16", class: `trace-icon ${name}`, "aria-hidden": "true"}, s("path", {d: ICONS[name]}));
    const button = (name, title, onclick) => h("button", {class: "button", title, "aria-label": title.replace(/ \([^)]*\)$/, ""), onclick}, icon(name));
    const still = (action) => () => { player.pause(); action(); };
    const play = button("play", "Play (Space)", player.toggle);
    const counter = h("span", {class: "trace-counter tabular"});
    const legend = h("div");
    const speed = h("select", {class: "button", "aria-label": "Speed", onchange: () => { player.speed = Number(speed.value); }},
        [[0.4, "slow"], [1, "normal speed"], [2.5, "fast"], [13, "8 nodes/s"], [48, "30 nodes/s"]].map(([value, text]) =>
            h("option", {value, selected: value === 1}, text)));

    const times = player.unrolled ? h("span", {class: "trace-times"},
        button("earlier", "Earlier time step ([)", still(() => player.goTo(player.step.t - 1))),
        h("span", {class: "tabular"}),
        button("later", "Later time step (])", still(() => player.goTo(player.step.t + 1)))) : null;

    // -- the profile: one bar for each event, as high as its magnitude; it is the slider, too -------

    const bars = h("canvas", {class: "trace-bars", "aria-hidden": "true"});
    const slider = h("input", {type: "range", min: 0, step: 1, class: "trace-slider", "aria-label": "Position in the pass",
        oninput: () => { player.pause(); player.go(Number(slider.value), 2, "slide"); }});
    const tip = h("div", {class: "trace-tip", hidden: true});
    const profile = h("div", {class: "trace-profile"}, bars, slider, tip);

    function draw() {
        const width = profile.clientWidth;
        if (!width) return;
        const ratio = window.devicePixelRatio || 1;
        bars.width = width * ratio;
        bars.height = HEIGHT * ratio;
        const pen = bars.getContext("2d");
        pen.scale(ratio, ratio);
        const style = getComputedStyle(document.documentElement);
        const color = (name) => style.getPropertyValue(name).trim();
        const {steps} = player;
        const each = width / steps.length;
        const marked = new Map(player.trace.marks.filter((mark) => mark.pass === player.direction)
            .map((mark) => [`${mark.step} ${mark.node}`, mark]));
        let time = steps[0].t;
        for (const [k, step] of steps.entries()) {
            const norm = player.normOf(step.event.facts);
            const x = k * each;
            const future = !player.whole && k > player.index;
            pen.globalAlpha = future ? 0.35 : 1;
            if (step.t !== time) {
                pen.fillStyle = color("--line");
                pen.fillRect(x, 0, 1, HEIGHT);
                time = step.t;
            }
            const tall = norm ? 3 + (HEIGHT - 16) * scale.part(norm) : 1;
            pen.fillStyle = typeof norm === "string" ? color("--warning") : norm ? scale.ramp(scale.part(norm), true) : color("--edge");
            pen.fillRect(x + (each > 3 ? 0.5 : 0), HEIGHT - tall, Math.max(1, each - (each > 3 ? 1 : 0)), tall);
            pen.globalAlpha = 1;
            const mark = marked.get(`${step.t} ${step.event.node}`);
            if (mark) {
                pen.fillStyle = color("--warning");
                pen.font = "11px sans-serif";
                pen.fillText("\u2691", Math.min(width - 9, x + each / 2 - 4), 10);
                pen.fillRect(x + each / 2 - 0.5, 11, 1, HEIGHT - 11);
            }
        }
        if (!player.whole) {
            pen.strokeStyle = color("--ink");
            pen.lineWidth = 2;
            pen.strokeRect(player.index * each - 1, 1, Math.max(3, each + 2), HEIGHT - 2);
        }
    }

    const describe = (step) => `${player.labelOf(step.event.node)}${step.t === null ? "" : `, time step ${step.t + 1}`}: ` +
        `\u2016${player.direction === "backward" ? "gradient" : "output"}\u2016 ${player.brief(player.normOf(step.event.facts))}` +
        `${step.event.state ? `, ${player.kinds[step.event.state]}` : ""}`;

    function at(event) {
        const box = profile.getBoundingClientRect();
        return Math.max(0, Math.min(player.steps.length - 1, Math.floor(((event.clientX - box.left) / box.width) * player.steps.length)));
    }
    slider.addEventListener("pointermove", (event) => {
        tip.textContent = describe(player.steps[at(event)]);
        tip.hidden = false;
        const box = profile.getBoundingClientRect();
        tip.style.left = `${Math.max(0, Math.min(box.width - tip.offsetWidth, event.clientX - box.left - tip.offsetWidth / 2))}px`;
    });
    slider.addEventListener("pointerleave", () => { tip.hidden = true; });
    // The thumb of a slider is not where the bar is, so a click goes where it points.
    slider.addEventListener("pointerdown", (event) => {
        player.pause();
        const follow = (moved) => player.go(at(moved), 2, "slide");
        follow(event);
        slider.setPointerCapture(event.pointerId);
        slider.addEventListener("pointermove", follow);
        slider.addEventListener("pointerup", () => slider.removeEventListener("pointermove", follow), {once: true});
        slider.focus();
        event.preventDefault();
    });

    // -- marks -------------------------------------------------------------------------------------

    function chip(mark, which) {
        const where = `${player.labelOf(which === player.trace ? mark.node : player.home(mark.node))}${mark.step === null ? "" : `, t = ${mark.step + 1}`}`;
        return h("button", {class: `trace-chip ${mark.kind}`, title: `${mark.pass} pass: ${mark.text}`,
            onclick: () => player.goToMark({...mark, node: which === player.trace ? mark.node : player.home(mark.node)})},
        h("b", null, `\u2691 ${player.symbols[mark.kind]}`), ` ${mark.pass === "forward" ? "forward, " : ""}${player.kinds[mark.kind]} first at `, h("b", null, where),
        which === player.trace || !player.second ? "" : ` (${which.title})`);
    }
    player.home ||= (id) => id;

    const chips = h("div", {class: "trace-chips"});
    function showMarks() {
        const all = [player.trace, player.second].filter(Boolean)
            .flatMap((which) => which.marks.map((mark) => chip(mark, which)));
        chips.replaceChildren(...(all.length ? all : [h("span", {class: "hint"},
            "No NaN or Inf, nothing vanishes, explodes or is exactly zero.")]));
        chips.append(h("details", {class: "trace-rules"}, h("summary", null, "How this is decided"),
            h("dl", null, Object.entries(player.trace.rules).map(([kind, text]) =>
                [h("dt", null, `${player.symbols[kind]} ${player.kinds[kind]}`), h("dd", null, text)]))));
    }

    // With a time axis below there is no room for the details under the picture: they go to the side.
    player.body = h("div", {class: "trace-body"});
    const aside = player.unrolled ? page.panel({id: "step", title: "Step", order: 8}) : null;
    if (aside) aside.element.append(player.body);
    const more = h("button", {class: "button quiet", "aria-expanded": "true", onclick: () => {
        player.body.hidden = !player.body.hidden;
        more.setAttribute("aria-expanded", String(!player.body.hidden));
        more.textContent = player.body.hidden ? "Details" : "Hide details";
    }}, "Hide details");
    panel.element.append(
        h("div", {class: "trace-toolbar", role: "toolbar", "aria-label": "Trace player"},
            h("span", {class: "switch"},
                button("first", "Begin of the pass (Home)", still(() => player.go(0))),
                button("back", "Previous node (,)", still(player.previous)),
                play,
                button("onward", "Next node (.)", still(player.next)),
                button("last", "Whole pass (End)", still(() => player.go(player.steps.length)))),
            times, counter, speed, aside ? "" : more),
        profile, h("div", {class: "trace-under"}, chips, legend), aside ? "" : player.body);

    // A selected node shows its own panel; who was reading the step goes on reading it.
    let reading = Boolean(aside);
    if (aside) {
        document.querySelector(".tabs").addEventListener("click", () => { reading = aside.shown; });
        player.onChange((how) => {
            if (!["pause", "theme"].includes(how) && player.started && (reading || how !== "select")) {
                reading = true;
                aside.show();
            }
        });
        page.on("select", (node) => { if (node && reading) aside.show(); });
    }

    player.onChange((how) => {
        const {steps, index, whole, direction} = player;
        play.replaceChildren(icon(player.playing ? "pause" : "play"));
        play.setAttribute("aria-label", player.playing ? "Pause" : "Play");
        play.title = player.playing ? "Pause (Space)" : "Play (Space)";
        if (how === "pause") return;
        slider.max = steps.length;
        slider.value = index;
        slider.setAttribute("aria-valuetext", whole ? `the whole ${direction} pass` : describe(player.step));
        const phase = {backward: ["receives", "sums", "passes on"], forward: ["takes its inputs", "computes"]}[direction][player.phase];
        counter.textContent = whole ? `${direction}: ${steps.length} events` : `${direction} ${index + 1} of ${steps.length}: ${phase}`;
        if (times) {
            const all = player.trace.T;
            times.children[1].textContent = `t = ${player.step.t + 1} of ${all}`;
        }
        legend.replaceChildren(player.legend());
        draw();
        if (["step", "phase", "jump"].includes(how)) page.say(whole ? "the whole pass" : `${index + 1}, ${describe(player.step)}, ${phase}`);
    });
    new ResizeObserver(draw).observe(profile);
    page.on("ready", showMarks);
});
