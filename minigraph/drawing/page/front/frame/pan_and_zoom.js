// Pan and zoom: the picture is moved as a whole, by one transform.

page.part("pan_and_zoom", () => {
    const {stage, sheet, picture} = page;
    const {width, height} = picture.viewBox.baseVal;
    const MARGIN = 24;
    const READABLE = 0.5;
    const CLOSE = 0.75;  // how near a node is brought from afar: to be read, with what is around it
    const place = {x: 0, y: 0, scale: 1};
    /** @type {(() => void) | null} */
    let keep = open;  // how the picture is fitted to new room; null once the reader has moved it
    const limits = () => ({least: Math.min(0.05, whole()), most: 6});
    let frame = 0;
    let resting = 0;

    picture.style.width = `${width}px`;
    picture.style.height = `${height}px`;

    const whole = () => Math.min(
        (stage.clientWidth - 2 * MARGIN) / width, (stage.clientHeight - 2 * MARGIN) / height);

    // While it moves, the browser shifts a finished image of the picture; at rest it draws it crisp.
    function move() {
        sheet.classList.add("moving");
        clearTimeout(resting);
        if (!frame) frame = requestAnimationFrame(draw);
    }

    function draw() {
        frame = 0;
        sheet.style.transform = `translate(${place.x}px, ${place.y}px) scale(${place.scale})`;
        picture.classList.toggle("far", place.scale < 0.4);
        page.emit("move", place);
        resting = setTimeout(() => sheet.classList.remove("moving"), 250);
    }

    function keepInSight() {
        const edge = 60;
        place.x = Math.min(stage.clientWidth - edge, Math.max(edge - width * place.scale, place.x));
        place.y = Math.min(stage.clientHeight - edge, Math.max(edge - height * place.scale, place.y));
    }

    /** @type {Page["pan"]} */
    function pan(dx, dy) {
        keep = null;
        place.x += dx;
        place.y += dy;
        keepInSight();
        move();
    }

    /** @type {Page["zoom"]} */
    function zoom(factor, x = stage.clientWidth / 2, y = stage.clientHeight / 2) {
        keep = null;
        const {least, most} = limits();
        const scale = Math.min(most, Math.max(least, place.scale * factor));
        place.x = x - (x - place.x) * (scale / place.scale);
        place.y = y - (y - place.y) * (scale / place.scale);
        place.scale = scale;
        keepInSight();
        move();
    }

    /** @typedef {(scale: number, x: number, y: number) => void} Move */

    /** @type {Move} */
    function put(scale, x, y) {
        Object.assign(place, {scale, x, y});
        keepInSight();
        move();
    }

    // What the page moves by itself glides, so that the eye can follow.
    const still = window.matchMedia("(prefers-reduced-motion: reduce)");
    let glide = 0;

    /** @type {Move} */
    function glideTo(scale, x, y) {
        cancelAnimationFrame(glide);
        const from = {...place};
        const began = performance.now();
        const last = still.matches ? 0 : 260;
        /** @param {number} now */
        function onward(now) {
            const part = last ? Math.min(1, (now - began) / last) : 1;
            const eased = 1 - (1 - part) ** 3;
            put(from.scale * (scale / from.scale) ** eased, from.x + (x - from.x) * eased, from.y + (y - from.y) * eased);
            if (part < 1) glide = requestAnimationFrame(onward);
        }
        onward(began);
    }
    stage.addEventListener("pointerdown", () => cancelAnimationFrame(glide));

    function all(how = put) {
        const scale = Math.min(1.5, whole());
        how(scale, (stage.clientWidth - width * scale) / 2, (stage.clientHeight - height * scale) / 2);
    }

    function fit() {
        keep = all;
        all(glideTo);
    }

    // A tall graph would be too small to read if all of it were shown: it opens at its top. One that is
    // coloured by a trace says something at any size: it opens whole.
    function open() {
        const scale = Math.min(1, (stage.clientWidth - 2 * MARGIN) / width);
        if (whole() > 0.6 || scale < 0.35 || page.traces.length) all();
        else put(scale, (stage.clientWidth - width * scale) / 2, MARGIN);
    }

    page.fit = fit;
    page.zoom = zoom;
    page.pan = pan;
    page.transform = place;
    page.goTo = (x, y) => {
        keep = null;
        put(place.scale, stage.clientWidth / 2 - x * place.scale, stage.clientHeight / 2 - y * place.scale);
    };

    page.reveal = (ids) => {
        const boxes = ids.map((id) => page.place(page.node(id)));
        if (!boxes.length) return;
        const left = Math.min(...boxes.map((box) => box.x));
        const top = Math.min(...boxes.map((box) => box.y));
        const right = Math.max(...boxes.map((box) => box.x + box.width));
        const bottom = Math.max(...boxes.map((box) => box.y + box.height));
        const room = {width: stage.clientWidth - 2 * MARGIN, height: stage.clientHeight - 2 * MARGIN};
        const most = Math.min(room.width / (right - left), room.height / (bottom - top));
        let scale = place.scale;
        if (scale > most) scale = most;
        else if (scale < READABLE && most > scale) scale = Math.min(CLOSE, most);
        const middle = {x: stage.clientWidth / 2, y: stage.clientHeight / 2};
        let x = middle.x - (middle.x - place.x) * (scale / place.scale);
        let y = middle.y - (middle.y - place.y) * (scale / place.scale);
        if (left * scale + x < MARGIN) x = MARGIN - left * scale;
        else if (right * scale + x > MARGIN + room.width) x = MARGIN + room.width - right * scale;
        if (top * scale + y < MARGIN) y = MARGIN - top * scale;
        else if (bottom * scale + y > MARGIN + room.height) y = MARGIN + room.height - bottom * scale;
        if (scale === place.scale && x === place.x && y === place.y) return;
        keep = null;
        glideTo(scale, x, y);
    };

    // All of them if they can be read together, else the first.
    page.revealAll = (ids) => {
        const boxes = ids.map((id) => page.place(page.node(id)));
        const wide = Math.max(...boxes.map((box) => box.x + box.width)) - Math.min(...boxes.map((box) => box.x));
        const high = Math.max(...boxes.map((box) => box.y + box.height)) - Math.min(...boxes.map((box) => box.y));
        const most = Math.min((stage.clientWidth - 2 * MARGIN) / wide, (stage.clientHeight - 2 * MARGIN) / high);
        page.reveal(most >= READABLE ? ids : ids.slice(0, 1));
    };

    stage.addEventListener("wheel", (event) => {
        event.preventDefault();
        const lines = event.deltaMode === 1 ? 16 : 1;
        const box = stage.getBoundingClientRect();
        if (event.ctrlKey || event.metaKey) {
            const step = Math.max(-60, Math.min(60, event.deltaY * lines));
            zoom(Math.exp(-step * 0.01), event.clientX - box.left, event.clientY - box.top);
        } else if (event.shiftKey && !event.deltaX) pan(-event.deltaY * lines, 0);
        else pan(-event.deltaX * lines, -event.deltaY * lines);
    }, {passive: false});

    /** @type {Map<number, PointerEvent>} */
    const fingers = new Map();
    let travelled = 0;

    /** @type {(event: Event, selector: string) => boolean} */
    const isWithin = (event, selector) => event.target instanceof Element && event.target.closest(selector) !== null;

    stage.addEventListener("pointerdown", (event) => {
        if (event.button > 1 || isWithin(event, ".overlay")) return;
        if (!fingers.size) travelled = 0;
        fingers.set(event.pointerId, event);
    });
    window.addEventListener("pointermove", (event) => {
        const before = fingers.get(event.pointerId);
        if (!before) return;
        const others = [...fingers.values()].filter((finger) => finger.pointerId !== event.pointerId);
        const dx = event.clientX - before.clientX;
        const dy = event.clientY - before.clientY;
        if (travelled < 4 && travelled + Math.hypot(dx, dy) >= 4) stage.classList.add("dragging");
        travelled += Math.hypot(dx, dy);
        if (travelled < 4) return;
        if (others.length === 1) {
            const [other] = others;
            const box = stage.getBoundingClientRect();
            const now = Math.hypot(event.clientX - other.clientX, event.clientY - other.clientY);
            const then = Math.hypot(before.clientX - other.clientX, before.clientY - other.clientY);
            pan(dx / 2, dy / 2);
            zoom(now / Math.max(1, then), (event.clientX + other.clientX) / 2 - box.left,
                (event.clientY + other.clientY) / 2 - box.top);
        } else pan(dx, dy);
        fingers.set(event.pointerId, event);
    });
    /** @param {PointerEvent} event */
    function lift(event) {
        if (!fingers.delete(event.pointerId)) return;
        stage.classList.remove("dragging");
        if (event.type === "pointerup" && travelled < 4 && !fingers.size) page.emit("tap", event);
    }
    window.addEventListener("pointerup", lift);
    window.addEventListener("pointercancel", lift);
    stage.addEventListener("dblclick", (event) => {
        if (isWithin(event, ".node, .overlay")) return;
        const box = stage.getBoundingClientRect();
        zoom(1.6, event.clientX - box.left, event.clientY - box.top);
    });

    // The side bar and the strips change the picture's room: what was in the middle stays there.
    /** @type {{width: number, height: number} | null} */
    let room = null;
    new ResizeObserver(() => {
        const now = {width: stage.clientWidth, height: stage.clientHeight};
        if (window.matchMedia("print").matches) return;
        if (room && !keep) pan((now.width - room.width) / 2, (now.height - room.height) / 2);
        else if (now.width) (keep || open)();
        if (now.width) room = now;
    }).observe(stage);

    const step = 80;
    page.key("+", "zoom in", () => zoom(1.25), "Move");
    page.key("=", "zoom in", () => zoom(1.25), "");
    page.key("-", "zoom out", () => zoom(0.8), "Move");
    page.key("0", "show all", fit, "Move");
    page.key("1", "original size", () => zoom(1 / place.scale), "Move");
    page.key("Shift+ArrowLeft", "move the picture", () => pan(step, 0), "");
    page.key("Shift+ArrowRight", "move the picture", () => pan(-step, 0), "");
    page.key("Shift+ArrowUp", "move the picture", () => pan(0, step), "");
    page.key("Shift+ArrowDown", "move the picture", () => pan(0, -step), "");

    const percent = page.h("span", {class: "percent tabular"});
    page.on("move", () => { percent.textContent = `${Math.round(place.scale * 100)} %`; });
    stage.append(page.h("div", {class: "overlay zoom", role: "toolbar", "aria-label": "Zoom"},
        page.h("button", {class: "button", title: "Zoom out (-)", "aria-label": "Zoom out", onclick: () => zoom(0.8)}, "\u2212"),
        percent,
        page.h("button", {class: "button", title: "Zoom in (+)", "aria-label": "Zoom in", onclick: () => zoom(1.25)}, "+"),
        page.h("button", {class: "button", title: "Show all (0)", onclick: fit}, "Fit")));
});
