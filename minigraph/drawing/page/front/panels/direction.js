// Forward or backward: the arrows are reversed, nothing else moves.

page.part("direction", () => {
    const {h} = page;
    const buttons = {
        forward: h("button", {class: "button", title: "The way the values go (b)", "aria-label": "Forward", onclick: () => page.setView("forward")},
            "\u2193", h("span", {class: "words"}, " Forward")),
        backward: h("button", {class: "button", title: "The way the gradients go (b)", "aria-label": "Backward", onclick: () => page.setView("backward")},
            "\u2191", h("span", {class: "words"}, " Backward")),
    };
    page.tools.prepend(h("div", {class: "switch", role: "group", "aria-label": "Direction"}, buttons.forward, buttons.backward));
    page.on("view", (view) => {
        for (const [name, button] of Object.entries(buttons)) button.setAttribute("aria-pressed", String(name === view));
    });
    page.key("b", "reverse the arrows", () => {
        page.setView(page.view === "backward" ? "forward" : "backward");
        page.say(`${page.view} view`);
    }, "Page");
});
