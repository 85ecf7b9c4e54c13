// The whole graph, small, with a frame around what the stage shows. Drag the frame to move.

page.part("minimap", () => {
    const {stage, picture} = page;
    const {width, height} = picture.viewBox.baseVal;
    const scale = Math.min(176 / width, 150 / height);
    const size = {width: Math.max(24, width * scale), height: Math.max(24, height * scale)};
    const canvas = page.h("canvas", {width: Math.round(size.width * 2), height: Math.round(size.height * 2),
        style: `width: ${size.width}px; height: ${size.height}px`});
    const frame = page.h("div", {class: "frame"});
    const map = page.h("div", {class: "overlay minimap", "aria-hidden": "true", title: "The whole graph (m)"}, canvas, frame);
    const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    const boxes = [...page.nodes.values()].filter((node) => node.box === node.id);
    /** @type {Set<Element | null>} */
    let lit = new Set();
    let waiting = 0;

    // A canvas knows no variables; pale fills would not be seen at this size.
    /** @type {Record<string, string>} */
    const STRONG = {"nan-fill": "nan-border", paper: "line"};
    /**
     * @param {string | null} paint
     * @param {(name: string) => string} color
     */
    function painted(paint, color) {
        const variable = /^var\(--(.+)\)$/.exec(paint || "");
        return variable ? color(STRONG[variable[1]] || variable[1]) : paint;
    }

    function draw() {
        waiting = 0;
        const style = getComputedStyle(document.documentElement);
        /** @param {string} name */
        const color = (name) => style.getPropertyValue(`--${name}`).trim();
        pen.setTransform(2 * scale, 0, 0, 2 * scale, 0, 0);
        pen.clearRect(0, 0, width, height);
        pen.strokeStyle = color("edge");
        pen.lineWidth = 0.5 / scale;
        pen.globalAlpha = lit.size ? 0.2 : 0.6;
        pen.beginPath();
        for (const edge of page.edges) {
            if (!edge.line) continue;
            const from = page.place(page.node(edge.source));
            const to = page.place(page.node(edge.target));
            pen.moveTo(from.x + from.width / 2, from.y + from.height);
            pen.lineTo(to.x + to.width / 2, to.y);
        }
        pen.stroke();
        for (const node of boxes) {
            const {x, y, width: wide, height: high} = page.place(node);
            pen.globalAlpha = lit.size && !lit.has(node.element) ? 0.25 : 1;
            pen.fillStyle = painted(node.color, color) || color(`${node.family}-border`);
            const least = 2 / scale;
            pen.fillRect(x, y, Math.max(wide, least), Math.max(high, least));
        }
        pen.globalAlpha = 1;
        if (page.selected) {
            const {x, y, width: wide, height: high} = page.place(page.selected);
            pen.strokeStyle = color("ink");
            pen.lineWidth = 2 / scale;
            pen.strokeRect(x - 2 / scale, y - 2 / scale, wide + 4 / scale, high + 4 / scale);
        }
    }

    const soon = () => { if (!waiting) waiting = requestAnimationFrame(draw); };

    /** @param {Transform} place */
    function follow({x, y, scale: zoom}) {
        const left = Math.max(0, -x / zoom * scale);
        const top = Math.max(0, -y / zoom * scale);
        const right = Math.min(size.width, (stage.clientWidth - x) / zoom * scale);
        const bottom = Math.min(size.height, (stage.clientHeight - y) / zoom * scale);
        frame.style.transform = `translate(${left}px, ${top}px)`;
        frame.style.width = `${Math.max(6, right - left)}px`;
        frame.style.height = `${Math.max(6, bottom - top)}px`;
    }

    /** @param {PointerEvent} event */
    function go(event) {
        if (!(event.buttons & 1)) return;
        const box = canvas.getBoundingClientRect();
        page.goTo((event.clientX - box.left) / scale, (event.clientY - box.top) / scale);
    }
    map.addEventListener("pointerdown", (event) => {
        map.setPointerCapture(event.pointerId);
        go(event);
        event.stopPropagation();
    });
    map.addEventListener("pointermove", go);

    stage.append(map);
    page.on("move", follow);
    page.on("theme", soon);
    page.on("select", soon);
    page.on("paint", soon);
    page.on("mark", (name, elements) => {
        if (name !== "lit") return;
        lit = new Set([...elements].map((element) => element.closest(".node")));
        soon();
    });
    page.on("ready", () => { soon(); follow(page.transform); });
    page.key("m", "show or hide the small map", () => { map.hidden = !map.hidden; }, "Page");
});
