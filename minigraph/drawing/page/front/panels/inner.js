// A network inside a node: its page opens over this one, in a frame, and has a way back.

{
    const script = document.currentScript?.textContent;
    const CLOSE = "minigraph: back to the graph outside";

    page.part("inner", () => {
        const {h} = page;
        const {inner = {}, within} = page.data;
        /** @type {HTMLDialogElement | null} */
        let dialog = null;

        page.inside = (id) => inner[id] || [];

        /**
         * The same style and the same script, another graph.
         * @param {Data.InnerPage} inside
         */
        function pageOf({svg, data}) {
            const made = document.implementation.createHTMLDocument(data.title);
            const copied = [...document.head.querySelectorAll("meta[http-equiv], style")];
            const records = Object.assign(made.createElement("script"), {type: "application/json", id: "data"});
            records.textContent = JSON.stringify({...data, view: page.view, theme: page.theme, within: page.data.title})
                .replace(/</g, "\\u003c");
            const stage = Object.assign(made.createElement("div"), {id: "stage", hidden: true, innerHTML: svg});
            made.head.append(...copied.map((each) => each.cloneNode(true)));
            made.body.append(stage, records, Object.assign(made.createElement("script"), {textContent: script}));
            made.documentElement.lang = "en";
            return `<!DOCTYPE html>${made.documentElement.outerHTML}`;
        }

        page.openInner = (id, which = 0) => {
            const found = page.inside(id)[which];
            if (!found || dialog) return false;
            const frame = h("iframe", {title: `${found.data.title}, inside ${page.data.title}`, srcdoc: pageOf(found)});
            frame.addEventListener("load", () => frame.focus());
            const opened = h("dialog", {id: "inner", "aria-label": found.data.title, onclose: () => {
                dialog?.remove();
                dialog = null;
                page.stage.focus({preventScroll: true});
                page.say(`back in ${page.data.title}`);
            }}, frame);
            dialog = opened;
            document.body.append(opened);
            opened.showModal();
            return true;
        };

        window.addEventListener("message", (event) => {
            const frame = dialog?.querySelector("iframe");
            if (frame && event.source === frame.contentWindow && event.data === CLOSE) dialog?.close();
        });

        if (Object.keys(inner).length) {
            page.key("Enter", "open the network inside the node", () =>
                page.selected !== null && page.openInner(page.selected.id), "Nodes");
            page.stage.addEventListener("dblclick", (event) => {
                const node = /** @type {Element} */ (event.target).closest(".node");
                if (node) page.openInner(Number(node.getAttribute("data-id")));
            });
            for (const id of Object.keys(inner)) {
                const {element} = page.node(Number(id));
                element.setAttribute("aria-label", `${element.getAttribute("aria-label")}, Enter opens the network inside`);
            }
        }

        if (!within) return;
        const back = () => window.parent.postMessage(CLOSE, "*");
        page.header.prepend(h("button", {class: "button", id: "back", title: `Back to ${within} (Backspace)`,
            "aria-label": `Back to ${within}`, onclick: back}, "\u2190 ", h("span", {class: "words"}, within)));
        page.key("Backspace", "back to the graph outside", back, "Page");
        page.on("ready", () => page.stage.focus({preventScroll: true}));
    });
}
