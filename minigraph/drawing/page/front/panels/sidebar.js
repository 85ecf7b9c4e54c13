// The side bar can make room for the picture.

page.part("sidebar", () => {
    const side = /** @type {HTMLElement} */ (document.getElementById("side"));
    const button = page.tool({order: 70, id: "toggle-side", title: "Side bar (s)", icon: page.icon("side"), onclick: turn});
    button.setAttribute("aria-controls", "side");
    button.setAttribute("aria-expanded", "true");
    function turn() {
        side.hidden = !side.hidden;
        button.setAttribute("aria-expanded", String(!side.hidden));
    }
    page.key("s", "show or hide the side bar", turn, "Page");
});
