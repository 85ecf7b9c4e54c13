// Keys: who listens to which, kept in one place so that two parts cannot claim the same one.

{
    /** @type {Map<string, Key>} */
    const known = new Map();
    /** @type {Record<string, string>} */
    const NAMES = {ArrowUp: "\u2191", ArrowDown: "\u2193", ArrowLeft: "\u2190", ArrowRight: "\u2192", Escape: "Esc",
        " ": "Space"};

    page.keys = known;

    page.key = (key, what, handler, group = "Page") => {
        const taken = known.get(key);
        if (taken) throw new Error(`the key ${key} is taken: ${taken.what}`);
        known.set(key, {key, what, handler, group});
    };

    page.keyName = (key) => key.split("+").filter(Boolean).map((part) => NAMES[part] || part).join(" ") || "+";

    /** @param {KeyboardEvent} event */
    function pressed(event) {
        const key = event.key.length === 1 && event.key !== " " ? event.key : (event.shiftKey ? "Shift+" : "") + event.key;
        return known.get(key);
    }

    /** @param {HTMLElement} target */
    function isTyping(target) {
        return target.isContentEditable || target.matches("textarea, select") ||
            (target.matches("input") && !target.matches("[type=range], [type=checkbox], [type=radio], [type=button]"));
    }

    /**
     * Enter and Space belong to the control that has the focus, and arrows to sliders and tabs.
     * @param {HTMLElement} target
     * @param {KeyboardEvent} event
     */
    function isTakenBy(target, event) {
        if (event.key === "Enter" || event.key === " ") return target.matches("button, a, summary, input, [role=button]");
        return event.key.startsWith("Arrow") && target.matches("input, [role=tab], [role=slider]");
    }

    document.addEventListener("keydown", (event) => {
        if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
        if (document.querySelector("dialog[open]")) return;
        const target = /** @type {HTMLElement} */ (event.target);
        if (isTyping(target) || isTakenBy(target, event)) return;
        const found = pressed(event);
        if (!found) return;
        if (found.handler(event) !== false) event.preventDefault();
    });
}
