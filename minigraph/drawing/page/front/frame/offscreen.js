// Only what is near the window takes part in the browser's layout: a thousand nodes stay smooth.

page.part("offscreen", () => {
    const {stage} = page;
    const MARGIN = 0.6;
    const AT_ONCE = 150;
    /** @typedef {Bounds & {element: Element, hidden: boolean}} Item */
    /** @type {Set<Item>} */
    const waiting = new Set();
    let working = false;
    /** @type {Item[]} */
    const items = [];
    /** @type {{left: number, top: number, right: number, bottom: number, scale: number} | null} */
    let shown = null;
    let printing = false;

    function measure() {
        for (const node of page.nodes.values()) {
            const bounds = page.place(node);
            if (node.box === node.id) items.push({element: node.element, ...bounds, hidden: false});
        }
        for (const edge of page.edges) {
            if (edge.line) items.push({element: edge.line, ...page.place(edge), hidden: false});
        }
    }

    /** @param {Transform} place */
    function update({x, y, scale}) {
        const wide = stage.clientWidth / scale;
        const high = stage.clientHeight / scale;
        const [left, top, right, bottom] = [-x / scale, -y / scale, -x / scale + wide, -y / scale + high];
        if (shown && left >= shown.left && top >= shown.top && right <= shown.right && bottom <= shown.bottom &&
            scale < shown.scale * 1.4) return;
        const reach = {left: left - MARGIN * wide, top: top - MARGIN * high, right: right + MARGIN * wide,
            bottom: bottom + MARGIN * high, scale};
        shown = reach;
        for (const item of items) {
            const hidden = item.x > reach.right || item.x + item.width < reach.left ||
                item.y > reach.bottom || item.y + item.height < reach.top;
            if (hidden === item.hidden) continue;
            item.hidden = hidden;
            waiting.add(item);
        }
        if (!working) work();
    }

    // So many in a frame: a thousand at once would hold up the picture for a third of a second.
    function work() {
        let left = AT_ONCE;
        for (const item of waiting) {
            waiting.delete(item);
            item.element.classList.toggle("away", item.hidden);
            if (--left === 0) break;
        }
        working = waiting.size > 0;
        if (working) requestAnimationFrame(work);
    }

    // On paper everything is there.
    function showAll() {
        waiting.clear();
        for (const item of items) {
            item.hidden = false;
            item.element.classList.remove("away");
        }
        shown = null;
        page.picture.classList.remove("far");
    }
    /** @param {boolean} on */
    function print(on) {
        printing = on;
        if (on) showAll();
        else if (items.length) update(page.transform);
    }
    window.addEventListener("beforeprint", () => print(true));
    window.addEventListener("afterprint", () => print(false));
    window.matchMedia("print").addEventListener("change", (event) => print(event.matches));

    page.on("move", (place) => {
        if (!items.length) measure();
        if (!printing) update(place);
    });
});
