// The profile of a pass: one bar for each event, as high as its magnitude. It is the slider, too.

page.part("profile", () => {
    if (!page.player) return;
    const {player, h} = page;
    const HEIGHT = 46;

    player.describe = (step) => {
        const what = player.direction === "backward" ? "gradient" : "output";
        const time = step.t === null ? "" : `, time step ${step.t + 1}`;
        const state = step.event.state ? `, ${player.kinds[step.event.state]}` : "";
        const norm = player.brief(player.normOf(step.event.summary));
        return `${player.labelOf(step.event.node)}${time}: \u2016${what}\u2016 ${norm}${state}`;
    };

    const bars = h("canvas", {class: "trace-bars", "aria-hidden": "true"});
    const slider = h("input", {type: "range", min: 0, step: 1, class: "trace-slider",
        "aria-label": "Position in the pass", oninput: () => goTo(Number(slider.value))});
    const tip = h("div", {class: "trace-tip", hidden: true});
    const element = h("div", {class: "trace-profile"}, bars, slider, tip);
    player.profile = element;

    /** @param {number} index */
    function goTo(index) {
        player.pause();
        player.go(index, 2, "slide");
    }

    // -- drawing -------------------------------------------------------------------------------------

    function draw() {
        const width = element.clientWidth;
        if (!width) return;
        const {scale, steps} = player;
        const ratio = window.devicePixelRatio || 1;
        bars.width = width * ratio;
        bars.height = HEIGHT * ratio;
        const pen = /** @type {CanvasRenderingContext2D} */ (bars.getContext("2d"));
        pen.scale(ratio, ratio);
        const style = getComputedStyle(document.documentElement);
        const [line, edge, warning, ink] = ["--line", "--edge", "--warning", "--ink"]
            .map((name) => style.getPropertyValue(name).trim());
        const each = width / steps.length;
        const gap = each > 3 ? 1 : 0;
        const marked = new Set(player.trace.marks.filter((mark) => mark.pass === player.direction)
            .map((mark) => `${mark.step} ${mark.node}`));
        let time = steps[0].t;
        for (const [k, step] of steps.entries()) {
            const norm = player.normOf(step.event.summary);
            const x = k * each;
            if (step.t !== time) {
                pen.fillStyle = line;
                pen.fillRect(x, 0, 1, HEIGHT);
                time = step.t;
            }
            pen.globalAlpha = !player.whole && k > player.index ? 0.35 : 1;
            const tall = norm ? 3 + (HEIGHT - 16) * scale.part(norm) : 1;
            if (typeof norm === "string") pen.fillStyle = warning;
            else pen.fillStyle = norm ? scale.ramp(scale.part(norm), true) : edge;
            pen.fillRect(x + gap / 2, HEIGHT - tall, Math.max(1, each - gap), tall);
            pen.globalAlpha = 1;
            if (marked.has(`${step.t} ${step.event.node}`)) {
                pen.fillStyle = warning;
                pen.font = "11px sans-serif";
                pen.fillText("\u2691", Math.min(width - 9, x + each / 2 - 4), 10);
                pen.fillRect(x + each / 2 - 0.5, 11, 1, HEIGHT - 11);
            }
        }
        if (player.whole) return;
        pen.strokeStyle = ink;
        pen.lineWidth = 2;
        pen.strokeRect(player.index * each - 1, 1, Math.max(3, each + 2), HEIGHT - 2);
    }

    // -- pointing ------------------------------------------------------------------------------------

    /** @param {PointerEvent} event */
    function at(event) {
        const box = element.getBoundingClientRect();
        const place = Math.floor(((event.clientX - box.left) / box.width) * player.steps.length);
        return Math.max(0, Math.min(player.steps.length - 1, place));
    }

    slider.addEventListener("pointermove", (event) => {
        const box = element.getBoundingClientRect();
        tip.textContent = player.describe(player.steps[at(event)]);
        tip.hidden = false;
        const left = event.clientX - box.left - tip.offsetWidth / 2;
        tip.style.left = `${Math.max(0, Math.min(box.width - tip.offsetWidth, left))}px`;
    });
    slider.addEventListener("pointerleave", () => { tip.hidden = true; });

    // The thumb of a slider is not where the bar is, so a press goes where it points.
    slider.addEventListener("pointerdown", (event) => {
        /** @param {PointerEvent} moved */
        const follow = (moved) => goTo(at(moved));
        follow(event);
        slider.setPointerCapture(event.pointerId);
        slider.addEventListener("pointermove", follow);
        for (const end of /** @type {const} */ (["pointerup", "pointercancel"])) {
            slider.addEventListener(end, () => slider.removeEventListener("pointermove", follow), {once: true});
        }
        slider.focus();
        event.preventDefault();
    });

    player.onChange((cause) => {
        if (cause === "pause") return;
        slider.max = String(player.steps.length);
        slider.value = String(player.index);
        slider.setAttribute("aria-valuetext",
            player.whole ? `the whole ${player.direction} pass` : player.describe(player.step));
        draw();
    });
    new ResizeObserver(draw).observe(element);
});
