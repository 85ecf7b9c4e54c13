// Elements, and numbers and shapes as text.

{
    const SVG = "http://www.w3.org/2000/svg";

    /**
     * @template {Element} Made
     * @param {Made} element
     * @param {Attributes | null | undefined} attributes
     * @param {Child[]} children
     */
    function fill(element, attributes, children) {
        for (const [name, value] of Object.entries(attributes || {})) {
            if (value === null || value === undefined || value === false) continue;
            if (typeof value === "function") element.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
            else element.setAttribute(name, value === true ? "" : String(value));
        }
        add(element, children);
        return element;
    }

    /**
     * @param {Element} element
     * @param {Child[]} children
     */
    function add(element, children) {
        for (const child of children) {
            if (Array.isArray(child)) add(element, child);
            else if (child !== null && child !== undefined && child !== false) element.append(typeof child === "number" ? String(child) : child);
        }
    }

    page.h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
    page.s = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

    const ICONS = {
        theme: "M8 1.5a6.5 6.5 0 1 0 0 13a6.5 6.5 0 1 0 0-13ZM8 2v12a6 6 0 0 0 0-12Z",
        side: "M2.5 2.5h11a1 1 0 0 1 1 1v9a1 1 0 0 1-1 1h-11a1 1 0 0 1-1-1v-9a1 1 0 0 1 1-1ZM10 2.5h3.5a1 1 0 0 1 1 1v9a1 1 0 0 1-1 1H10Z",
        help: "M5.6 6a2.4 2.4 0 1 1 3.4 2.2c-.6.3-1 .8-1 1.4v.4M8 12.4v.4",
    };
    page.icon = (name) => page.s("svg", {viewBox: "0 0 16 16", class: `icon ${name}`, "aria-hidden": "true"},
        ICONS[name].split(/(?=M)/).map((d) => page.s("path", {d})));

    page.number = (value) => {
        if (value === null || value === undefined) return "";
        if (typeof value === "string") return value;
        if (Number.isInteger(value) && Math.abs(value) < 1e15) return value.toLocaleString("en-US");
        const size = Math.abs(value);
        const text = size >= 1e5 || size < 1e-3 ? value.toExponential(2) : value.toPrecision(4);
        return text.replace("-", "\u2212").replace("e+", "e");
    };

    page.sizes = (sizes) => (sizes.length ? `(${sizes.join(", ")}${sizes.length === 1 ? "," : ""})` : "number");

    // Equal neighbours of a table are written once: {2 × (2, 4), (3,)}.
    page.shape = (value) => {
        if (!value) return "none";
        if (!("entries" in value)) return page.sizes(value.shape);
        /** @type {[string, number][]} */
        const runs = [];
        for (const entry of value.entries) {
            const text = page.shape(entry);
            const last = runs[runs.length - 1];
            if (last && last[0] === text) last[1] += 1;
            else runs.push([text, 1]);
        }
        if (value.length > value.entries.length) runs.push([`${value.length - value.entries.length} more`, 1]);
        return `{${runs.map(([text, count]) => (count > 1 ? `${count} × ${text}` : text)).join(", ")}}`;
    };

    page.say = (text) => {
        const live = document.getElementById("live");
        if (live) live.textContent = text;
    };
}
