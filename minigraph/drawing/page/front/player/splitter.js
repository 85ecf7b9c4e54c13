// The border between the picture and the strips under it: dragged, or moved with the arrow keys, it
// gives room to either; Enter or a double click puts the strips away and brings them back.

page.part("splitter", () => {
    const {h, stage} = page;
    const centre = /** @type {HTMLElement} */ (document.getElementById("centre"));
    const under = /** @type {HTMLElement} */ (document.getElementById("under"));
    const STEP = 24;
    const PICTURE = 140;
    /** @type {number | null} */
    let height = null;
    /** @type {number | null} */
    let grip = null;

    const border = h("div", {id: "splitter", role: "separator", tabindex: "0", "aria-orientation": "horizontal",
        "aria-label": "Border between the picture and the strips below", "aria-controls": "under", "aria-valuemin": "0",
        "aria-valuemax": "100", title: "Drag, or press \u2191 and \u2193; Enter or a double click hides what is below"});

    /**
     * A height of null is the strips' own, as far as the style sheet lets them grow.
     * @param {number | null} wanted
     */
    function put(wanted) {
        const most = Math.max(0, centre.clientHeight - PICTURE - border.offsetHeight);
        height = wanted === null ? null : Math.max(0, Math.min(most, wanted));
        under.style.height = height === null ? "" : `${height}px`;
        under.classList.toggle("sized", height !== null);
        border.setAttribute("aria-valuenow", String(Math.round(100 * stage.clientHeight / centre.clientHeight)));
    }

    const fold = () => put(under.offsetHeight < STEP ? null : 0);

    border.addEventListener("keydown", (event) => {
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        if (event.key === "ArrowUp") put(under.offsetHeight + STEP);
        else if (event.key === "ArrowDown") put(under.offsetHeight - STEP);
        else if (event.key === "Home") put(Infinity);
        else if (event.key === "End") put(0);
        else if (event.key === "Enter") fold();
        else return;
        event.preventDefault();
        event.stopPropagation();
    });
    border.addEventListener("pointerdown", (event) => {
        grip = event.clientY + under.offsetHeight;
        border.setPointerCapture(event.pointerId);
        event.preventDefault();
    });
    border.addEventListener("pointermove", (event) => { if (grip !== null) put(grip - event.clientY); });
    for (const end of ["pointerup", "pointercancel"]) border.addEventListener(end, () => { grip = null; });
    border.addEventListener("dblclick", fold);
    window.addEventListener("resize", () => put(height));

    page.on("ready", () => {
        if (!under.children.length) return;
        under.before(border);
        put(null);
    });
});
