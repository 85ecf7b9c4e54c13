// The strip under the picture: play and step, the profile of the pass, the scale, the marks.

page.part("controls", () => {
    if (!page.player) return;
    const {player, h, s} = page;
    const panel = page.panel({id: "player", title: "Trace", place: "bottom", order: 10});
    const ICONS = {
        first: "M3 3V13M13 3V13L5 8Z", back: "M11 3V13L3.5 8Z", play: "M4.5 2.5V13.5L13 8Z", pause: "M5 3V13M11 3V13",
        onward: "M5 3V13L12.5 8Z", last: "M13 3V13M3 3V13L11 8Z", earlier: "M10 3L5 8L10 13", later: "M6 3L11 8L6 13",
    };
    /** @type {[number, string][]} */
    const SPEEDS = [[0.4, "slow"], [1, "normal speed"], [2.5, "fast"], [13, "8 nodes/s"], [48, "30 nodes/s"]];
    const PHASES = {backward: ["receives", "sums", "passes on"], forward: ["takes its inputs", "computes"]};

    // -- the buttons ---------------------------------------------------------------------------------

    /** @param {keyof typeof ICONS} name */
    const icon = (name) => s("svg", {viewBox: "0 0 16 16", class: `trace-icon ${name}`, "aria-hidden": "true"},
        s("path", {d: ICONS[name]}));
    /** @type {(name: keyof typeof ICONS, title: string, onclick: () => void) => HTMLElement} */
    const button = (name, title, onclick) => h("button",
        {class: "button", title, "aria-label": title.replace(/ \([^)]*\)$/, ""), onclick}, icon(name));
    /** @type {(action: () => void) => () => void} */
    const still = (action) => () => {
        player.pause();
        action();
    };

    const play = button("play", "Play (Space)", player.toggle);
    const counter = h("span", {class: "trace-counter tabular"});
    const legend = h("div");
    const speed = h("select", {class: "button", "aria-label": "Speed", onchange: setSpeed},
        SPEEDS.map(([value, text]) => h("option", {value, selected: value === 1}, text)));
    const time = h("span", {class: "tabular"});
    const times = player.unrolled ? h("span", {class: "trace-times"},
        button("earlier", "Earlier time step ([)", still(() => player.goTo(Number(player.step.t) - 1))),
        time,
        button("later", "Later time step (])", still(() => player.goTo(Number(player.step.t) + 1)))) : "";

    function setSpeed() {
        player.speed = Number(speed.value);
    }

    // -- marks ---------------------------------------------------------------------------------------

    player.home ||= (id) => id;

    // What is wrong in a word, unless the symbol is that word.
    /** @param {Data.Trouble} kind */
    const words = (kind) => (player.symbols[kind] === player.kinds[kind] ? "" : `${player.kinds[kind]} `);

    /**
     * @param {Data.Mark} mark
     * @param {Data.TraceData} which
     */
    function chip(mark, which) {
        const node = which === player.trace ? mark.node : player.home(mark.node);
        const where = `${player.labelOf(node)}${mark.step === null ? "" : `, t = ${mark.step + 1}`}`;
        const go = () => player.goToMark({...mark, node});
        return h("button", {class: `trace-chip ${mark.kind}`, title: `${mark.pass} pass: ${mark.text}`, onclick: go},
            h("b", null, `\u2691 ${player.symbols[mark.kind]}`),
            ` ${mark.pass === "forward" ? "forward, " : ""}${words(mark.kind)}first at `,
            h("b", null, where),
            which === player.trace ? "" : ` (${which.title})`);
    }

    const chips = h("div", {class: "trace-chips"});
    function showMarks() {
        const found = (player.second ? [player.trace, player.second] : [player.trace])
            .flatMap((which) => which.marks.map((mark) => chip(mark, which)));
        const none = h("span", {class: "hint"}, "No NaN or Inf, nothing vanishes, explodes or is exactly zero.");
        const kinds = /** @type {Data.Trouble[]} */ (Object.keys(player.trace.rules));
        const rules = kinds.map((kind) =>
            [h("dt", null, `${player.symbols[kind]} ${player.kinds[kind]}`), h("dd", null, player.trace.rules[kind])]);
        chips.replaceChildren(...(found.length ? found : [none]),
            h("details", {class: "trace-rules"}, h("summary", null, "How this is decided"), h("dl", null, rules)));
    }

    // -- the strip -----------------------------------------------------------------------------------

    // With a time axis below there is no room for the details under the picture: they go to the side.
    player.body = h("div", {class: "trace-body"});
    const aside = player.unrolled ? page.panel({id: "step", title: "Step", order: 8}) : null;
    const more = h("button", {class: "button quiet", "aria-expanded": "true", onclick: fold}, "Hide details");

    function fold() {
        player.body.hidden = !player.body.hidden;
        more.setAttribute("aria-expanded", String(!player.body.hidden));
        more.textContent = player.body.hidden ? "Details" : "Hide details";
    }

    panel.element.append(
        h("div", {class: "trace-toolbar", role: "toolbar", "aria-label": "Trace player"},
            h("span", {class: "switch"},
                button("first", "Start of the pass (Home)", still(() => player.go(0))),
                button("back", "Previous node (,)", still(player.previous)),
                play,
                button("onward", "Next node (.)", still(player.next)),
                button("last", "Whole pass (End)", still(() => player.go(player.steps.length)))),
            times, counter, speed, aside ? "" : more),
        player.profile,
        h("div", {class: "trace-under"}, chips, legend),
        aside ? "" : player.body);

    // A selected node shows its own panel; who was reading the step goes on reading it.
    if (aside) {
        let reading = true;
        aside.element.append(player.body);
        document.querySelector(".tabs")?.addEventListener("click", () => { reading = aside.shown; });
        player.onChange((cause) => {
            if (["pause", "theme"].includes(cause) || !player.started || (cause === "select" && !reading)) return;
            reading = true;
            aside.show();
        });
        page.on("select", (node) => { if (node && reading) aside.show(); });
    }

    player.onChange((cause) => {
        const {steps, index, whole, direction} = player;
        const name = player.playing ? "Pause" : "Play";
        play.replaceChildren(icon(player.playing ? "pause" : "play"));
        play.setAttribute("aria-label", name);
        play.title = `${name} (Space)`;
        if (cause === "pause") return;
        const phase = PHASES[direction][player.phase];
        counter.textContent = whole ? `${direction}: ${steps.length} events`
            : `${direction} ${index + 1} of ${steps.length}: ${phase}`;
        if (player.unrolled) time.textContent = `t = ${Number(player.step.t) + 1} of ${player.unrolled.T}`;
        const seen = `${direction} ${page.theme}`;
        if (legend.dataset.seen !== seen) legend.replaceChildren(player.legend());
        legend.dataset.seen = seen;
        if (!["step", "phase", "jump"].includes(cause)) return;
        page.say(whole ? "the whole pass" : `${index + 1}, ${player.describe(player.step)}, ${phase}`);
    });
    page.on("ready", showMarks);
});
