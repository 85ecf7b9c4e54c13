// Elements, and numbers and shapes as text.

{
    const SVG = "http://www.w3.org/2000/svg";

    function fill(element, attributes, children) {
        for (const [name, value] of Object.entries(attributes || {})) {
            if (value === null || value === undefined || value === false) continue;
            if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
            else element.setAttribute(name, value === true ? "" : value);
        }
        for (const child of children.flat(Infinity)) {
            if (child !== null && child !== undefined && child !== false) element.append(child);
        }
        return element;
    }

    page.h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
    page.s = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

    page.number = (value) => {
        if (value === null || value === undefined) return "";
        if (typeof value === "string") return value;
        if (Number.isInteger(value) && Math.abs(value) < 1e15) return value.toLocaleString("en-US");
        const size = Math.abs(value);
        const text = size >= 1e5 || size < 1e-3 ? value.toExponential(2) : value.toPrecision(4);
        return text.replace("-", "\u2212").replace("e+", "e");
    };

    // Equal neighbours of a table are written once: {2 × (2, 4), (3,)}.
    page.shape = (value) => {
        if (!value) return "none";
        if (!value.entries) {
            if (!value.shape.length) return "number";
            return `(${value.shape.join(", ")}${value.shape.length === 1 ? "," : ""})`;
        }
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
