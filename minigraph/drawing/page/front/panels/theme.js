// Light or dark: as the system has it, until the reader says otherwise.

page.part("theme", () => {
    const system = window.matchMedia("(prefers-color-scheme: dark)");
    const KEY = "minigraph-theme";
    let chosen = "";
    // A page opened from a file may not be allowed to keep anything.
    try { chosen = localStorage.getItem(KEY) || ""; } catch { chosen = ""; }
    chosen = page.data.theme || chosen;  // inside another page: as that one has it

    function apply() {
        page.theme = (chosen || (system.matches ? "dark" : "light")) === "dark" ? "dark" : "light";
        document.documentElement.dataset.theme = page.theme;
        const other = page.theme === "dark" ? "Light colours" : "Dark colours";
        button.setAttribute("aria-label", other);
        button.title = `${other} (d)`;
        page.emit("theme", page.theme);
    }

    function turn() {
        chosen = page.theme === "dark" ? "light" : "dark";
        try { localStorage.setItem(KEY, chosen); } catch { page.say("The choice lasts until the page is closed."); }
        apply();
    }

    const button = page.tool({order: 60, id: "theme", title: "Dark colours", icon: page.icon("theme"), onclick: turn});
    system.addEventListener("change", apply);
    page.key("d", "light or dark colours", turn, "Page");
    apply();
});
