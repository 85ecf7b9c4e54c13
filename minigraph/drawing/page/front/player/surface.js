// A drawing of the graph that a pass is shown on: boxes take the colour of the magnitude and carry it
// as a number, lines grow with it, dots run along the lines while a gradient is on its way.

page.part("surface", () => {
    if (!page.player) return;
    const {player, s} = page;
    const {scale} = player;

    // One drawing of the graph to paint on: the page's own, or its copy for the second trace.
    /** @typedef {{group: SVGGElement, rect: SVGElement, text: SVGElement, said: string}} Badge */

    class Surface {
        /** @type {Map<number, Badge>} */
        badges = new Map();
        /** @type {Map<number, Badge>} */
        flags = new Map();
        /** @type {Map<number, string | null>} */
        colors = new Map();
        /** @type {Map<PageEdge, ShownLine>} */
        lines = new Map();
        /** @type {number[] | null} */
        ids = null;

        /**
         * @param {SVGElement} drawing
         * @param {(id: number) => DrawnNode | undefined} nodeOf
         * @param {(edge: PageEdge) => SVGElement | null | undefined} lineOf
         */
        constructor(drawing, nodeOf, lineOf) {
            this.nodeOf = nodeOf;
            this.lineOf = lineOf;
            this.layer = s("g", {class: "trace-layer"});
            this.dots = s("g", {class: "trace-dots", "aria-hidden": "true"});
            drawing.append(this.layer, this.dots);
        }

        // All boxes are measured before anything is drawn: each drawing makes measuring costly again.
        measure() {
            const ids = [...page.nodes.keys()].filter((id) => {
                const found = this.nodeOf(id);
                return found && (found.cell || page.node(id).box === id);
            });
            for (const id of ids) page.place(page.node(id));
            return ids;
        }

        /**
         * What lies where in the drawing's own coordinates; the copy is drawn alike.
         * @param {number} id
         */
        box(id) {
            const {x, y, width, height} = page.place(page.node(id));
            return {x: x - page.shift.x, y: y - page.shift.y, width, height};
        }

        /**
         * @param {number} id
         * @param {DrawnNode} drawn
         * @param {string | null} color
         */
        paint(id, drawn, color) {
            if (this.colors.get(id) === color) return;
            this.colors.set(id, color);
            if (drawn === page.nodes.get(id)) page.paint(id, color);
            else page.fill(drawn, color);
        }

        /**
         * @param {Map<number, Badge>} known
         * @param {number} id
         * @param {DrawnNode} drawn
         * @param {string} text
         * @param {string} kind
         */
        pill(known, id, drawn, text, kind) {
            let badge = known.get(id);
            if (!text) {
                if (badge) badge.group.style.display = "none";
                return;
            }
            if (!badge) {
                badge = {group: s("g"), rect: s("rect", {height: 13, rx: 6.5}),
                    text: s("text", {"text-anchor": "middle"}), said: ""};
                badge.group.append(badge.rect, badge.text);
                this.layer.append(badge.group);
                known.set(id, badge);
            }
            if (badge.said === text + kind) {
                badge.group.style.display = "";
                return;
            }
            badge.said = text + kind;
            badge.group.style.display = "";
            badge.group.setAttribute("class", `trace-badge ${kind}`);
            const box = this.box(id);
            const isCell = drawn.cell !== null;
            const flag = known === this.flags;
            const width = isCell && !flag ? 4.3 * text.length + 6 : 5.4 * text.length + 9;
            badge.group.classList.toggle("small", isCell && !flag);
            const x = flag ? box.x - 6 : isCell ? box.x + (box.width - width) / 2 : box.x + box.width - width + 10;
            const y = flag ? box.y - 12 : isCell ? box.y + box.height - 4 : box.y - 9;
            badge.rect.setAttribute("x", String(x));
            badge.rect.setAttribute("y", String(y));
            badge.rect.setAttribute("width", String(width));
            badge.text.setAttribute("x", String(x + width / 2));
            badge.text.setAttribute("y", String(y + 9.7));
            badge.text.textContent = text;
        }

        /** @param {Shown} shown */
        show({nodes, lines, active, dim}) {
            this.ids ||= this.measure();
            for (const id of this.ids) {
                const drawn = this.nodeOf(id);
                if (!drawn) continue;
                const value = nodes.get(id);
                this.paint(id, drawn, value ? scale.color(value.norm) : dim ? "var(--paper)" : null);
                this.pill(this.badges, id, drawn, value ? this.textOf(value, drawn) : "", value?.state || "");
                this.pill(this.flags, id, drawn, value?.first ? `\u2691 ${value.first}` : "", "first");
                const own = (drawn.cell || drawn.element).classList;
                own.toggle("trace-first", Boolean(value?.first));
                own.toggle("trace-differs", Boolean(value?.differs));
                own.toggle("trace-active", id === active);
            }
            for (const edge of this.lines.keys()) if (!lines.has(edge)) this.line(edge, null);
            for (const [edge, value] of lines) this.line(edge, value);
        }

        /**
         * @param {ShownNode} value
         * @param {DrawnNode} drawn
         */
        textOf({state, norm}, {cell}) {
            const symbol = !cell && (state === "vanishing" || state === "exploding") ? `${player.symbols[state]} ` : "";
            return `${symbol}${player.brief(norm)}`;
        }

        /**
         * @param {PageEdge} edge
         * @param {ShownLine | null} value
         */
        line(edge, value) {
            const line = this.lineOf(edge);
            const before = this.lines.get(edge);
            if (!line || (before && value && before.norm === value.norm && before.now === value.now)) return;
            if (!value) this.lines.delete(edge);
            else this.lines.set(edge, value);
            line.classList.toggle("trace-line", Boolean(value));
            line.classList.toggle("trace-now", Boolean(value?.now));
            line.classList.toggle("trace-none", value?.norm === null);
            if (!value) {
                line.style.removeProperty("--trace-color");
                line.style.removeProperty("--trace-width");
                return;
            }
            const broken = typeof value.norm === "string";
            line.style.setProperty("--trace-color",
                broken ? "var(--warning)" : value.norm ? scale.color(value.norm, true) : "var(--edge)");
            line.style.setProperty("--trace-width", (1 + 3.5 * scale.part(value.norm)).toFixed(2));
        }

        /**
         * Dots from end to end of the lines, one line after the other if `inTurn`.
         * @param {Moving[]} moving
         * @param {number} time
         * @param {boolean} backward
         * @param {boolean} inTurn
         */
        run(moving, time, backward, inTurn) {
            this.dots.replaceChildren();
            if (player.calm) return;
            const circles = moving.flatMap(({edge, norm}) => {
                const line = this.lineOf(edge);
                /** @type {SVGGeometryElement | null | undefined} */
                const path = line?.querySelector(".line, path");
                if (!line || !path || line.classList.contains("away")) return [];
                const circle = s("circle", {r: 3 + 4 * scale.part(norm), class: "trace-dot"});
                circle.style.fill = typeof norm === "number" ? scale.color(norm, true) : "var(--warning)";
                circle.style.display = "none";
                this.dots.append(circle);
                return [{circle, path, length: path.getTotalLength()}];
            });
            const begin = performance.now();
            const each = inTurn ? time / Math.max(1, circles.length) : time;
            /** @param {number} now */
            const move = (now) => {
                if (!circles.length || circles[0].circle.parentNode !== this.dots) return;
                let more = false;
                circles.forEach(({circle, path, length}, k) => {
                    const part = (now - begin - (inTurn ? k * each : 0)) / each;
                    circle.style.display = part < 0 || part > 1 ? "none" : "";
                    if (part <= 1) more = true;
                    if (part < 0 || part > 1) return;
                    const eased = part * part * (3 - 2 * part);
                    const point = path.getPointAtLength(length * (backward ? 1 - eased : eased));
                    circle.setAttribute("cx", String(point.x));
                    circle.setAttribute("cy", String(point.y));
                });
                if (more) requestAnimationFrame(move);
                else this.dots.replaceChildren();
            };
            requestAnimationFrame(move);
        }
    }

    player.Surface = Surface;
});
