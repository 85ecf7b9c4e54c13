// Only what is near the window takes part in the browser's layout: a thousand nodes stay smooth.

page.part("cull", () => {
    const {stage} = page;
    const MARGIN = 0.6;
    const AT_ONCE = 150;
    const waiting = new Set();
    let working = false;
    let items = null;
    let shown = null;
    let printing = false;

    function measure() {
        items = [];
        for (const node of page.nodes.values()) {
            const bounds = page.place(node);
            if (node.box === node.id) items.push({element: node.element, ...bounds, hidden: false});
        }
        for (const edge of page.edges) {
            if (edge.line) items.push({element: edge.line, ...page.place(edge), hidden: false});
        }
    }

    function update({x, y, scale}) {
        const wide = stage.clientWidth / scale;
        const high = stage.clientHeight / scale;
        const [left, top, right, bottom] = [-x / scale, -y / scale, -x / scale + wide, -y / scale + high];
        const enough = shown && left >= shown.left && top >= shown.top && right <= shown.right && bottom <= shown.bottom;
        if (enough && scale < shown.scale * 1.4) return;
        shown = {left: left - MARGIN * wide, top: top - MARGIN * high, right: right + MARGIN * wide,
            bottom: bottom + MARGIN * high, scale};
        for (const item of items) {
            const hidden = item.x > shown.right || item.x + item.width < shown.left ||
                item.y > shown.bottom || item.y + item.height < shown.top;
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
        for (const item of items || []) {
            item.hidden = false;
            item.element.classList.remove("away");
        }
        shown = null;
        page.picture.classList.remove("far");
    }
    function print(on) {
        printing = on;
        if (on) showAll();
        else if (items) update(page.transform);
    }
    window.addEventListener("beforeprint", () => print(true));
    window.addEventListener("afterprint", () => print(false));
    window.matchMedia("print").addEventListener("change", (event) => print(event.matches));

    page.on("move", (place) => {
        if (!items) measure();
        if (!printing) update(place);
    });
});
