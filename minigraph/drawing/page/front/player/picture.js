// The trace in the picture: boxes take the colour of the magnitude and carry it as a number, lines
// grow with it, dots run along the lines while a gradient is on its way.

page.part("player_picture", () => {
    if (!page.player) return;
    const {player, s} = page;
    const {scale} = player;

    // The line that a contribution runs along; the record of a part of a split counts entries.
    const between = new Map();
    for (const edge of page.edges) {
        const key = `${edge.source} ${edge.target}`;
        if (!between.has(key)) between.set(key, []);
        between.get(key).push(edge);
    }
    player.edgeOf = (contribution) => {
        const found = between.get(`${contribution.source} ${contribution.consumer}`) || [];
        return found.find((edge) => edge.slot === contribution.slot) || found[0] || null;
    };

    const shift = page.drawing.transform.baseVal.consolidate().matrix;

    // One drawing of the graph to paint on: the page's own, or its copy for the second trace.
    class Surface {
        constructor(drawing, nodeOf, lineOf) {
            this.nodeOf = nodeOf;
            this.lineOf = lineOf;
            this.layer = s("g", {class: "trace-layer"});
            this.dots = s("g", {class: "trace-dots", "aria-hidden": "true"});
            drawing.append(this.layer, this.dots);
            this.badges = new Map();
            this.flags = new Map();
            this.colors = new Map();
            this.lines = new Map();
        }

        // What lies where in the drawing's own coordinates; the copy is drawn alike.
        box(id) {
            const {x, y, width, height} = page.place(page.nodes.get(id));
            return {x: x - shift.e, y: y - shift.f, width, height};
        }

        paint(id, color) {
            if (this.colors.get(id) === color) return;
            this.colors.set(id, color);
            const {shapes, element, cell, copied} = this.nodeOf(id);
            if (!copied) return page.paint(id, color);
            for (const shape of shapes) {
                if (shape.getAttribute("fill") === "none") continue;
                if (color === null) shape.style.removeProperty("fill");
                else shape.style.setProperty("fill", color);
            }
            (cell || element).classList.toggle("painted", color !== null);
        }

        pill(known, id, text, kind) {
            let badge = known.get(id);
            if (!text) {
                if (badge) badge.group.style.display = "none";
                return;
            }
            if (!badge) {
                badge = {group: s("g"), rect: s("rect", {height: 13, rx: 6.5}),
                    text: s("text", {"text-anchor": "middle"})};
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
            const isCell = Boolean(this.nodeOf(id).cell);
            const flag = known === this.flags;
            const width = isCell && !flag ? 4.3 * text.length + 6 : 5.4 * text.length + 9;
            badge.group.classList.toggle("small", isCell && !flag);
            const x = flag ? box.x - 6 : isCell ? box.x + (box.width - width) / 2 : box.x + box.width - width + 10;
            const y = flag ? box.y - 12 : isCell ? box.y + box.height - 4 : box.y - 9;
            badge.rect.setAttribute("x", x);
            badge.rect.setAttribute("y", y);
            badge.rect.setAttribute("width", width);
            badge.text.setAttribute("x", x + width / 2);
            badge.text.setAttribute("y", y + 9.7);
            badge.text.textContent = text;
        }

        // `nodes`: id -> {norm, state, first, differs}; `lines`: edge -> {norm, now}.
        show({nodes, lines, active, dim}) {
            // All boxes are measured before anything is drawn: each drawing makes measuring costly again.
            if (!this.drawn) {
                this.drawn = [...page.nodes.keys()].filter((id) => {
                    const found = this.nodeOf(id);
                    return found && (found.cell || page.nodes.get(id).box === id);
                });
                for (const id of this.drawn) page.place(page.nodes.get(id));
            }
            for (const id of this.drawn) {
                const found = this.nodeOf(id);
                const value = nodes.get(id);
                this.paint(id, value ? scale.color(value.norm) : dim ? "var(--paper)" : null);
                this.pill(this.badges, id, value ? this.textOf(value, found) : "", value && value.state ? value.state : "");
                this.pill(this.flags, id, value && value.first ? `\u2691 ${value.first}` : "", "first");
                const own = (found.cell || found.element).classList;
                own.toggle("trace-first", Boolean(value && value.first));
                own.toggle("trace-differs", Boolean(value && value.differs));
                own.toggle("trace-active", id === active);
            }
            for (const edge of this.lines.keys()) if (!lines.has(edge)) this.line(edge, null);
            for (const [edge, value] of lines) this.line(edge, value);
        }

        textOf(value, {cell}) {
            const said = !cell && ["vanishing", "exploding"].includes(value.state);
            return `${said ? `${player.symbols[value.state]} ` : ""}${player.brief(value.norm)}`;
        }

        line(edge, value) {
            const line = this.lineOf(edge);
            const before = this.lines.get(edge);
            if (!line || (before && value && before.norm === value.norm && before.now === value.now)) return;
            if (!value) this.lines.delete(edge);
            else this.lines.set(edge, value);
            line.classList.toggle("trace-line", Boolean(value));
            line.classList.toggle("trace-now", Boolean(value && value.now));
            line.classList.toggle("trace-none", Boolean(value && value.norm === null));
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

        // Dots from end to end of the lines, one line after the other if `inTurn`.
        run(edges, time, backward, inTurn) {
            this.dots.replaceChildren();
            if (player.calm) return;
            const moving = edges.map(({edge, norm}) => ({line: this.lineOf(edge), norm}))
                .filter(({line}) => line && !line.classList.contains("away"))
                .map(({line, norm}) => ({path: line.querySelector(".line, path"), norm}));
            const circles = moving.map(({path, norm}) => {
                const circle = s("circle", {r: 3 + 4 * scale.part(norm), class: "trace-dot"});
                circle.style.fill = typeof norm === "number" ? scale.color(norm, true) : "var(--warning)";
                circle.style.display = "none";
                this.dots.append(circle);
                return {circle, path, length: path.getTotalLength()};
            });
            const begin = performance.now();
            const each = inTurn ? time / Math.max(1, circles.length) : time;
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
                    circle.setAttribute("cx", point.x);
                    circle.setAttribute("cy", point.y);
                });
                if (more) requestAnimationFrame(move);
                else this.dots.replaceChildren();
            };
            requestAnimationFrame(move);
        }
    }

    const own = new Surface(page.drawing, (id) => page.nodes.get(id) || null, (edge) => edge.line);
    player.surfaces = [{surface: own, which: player.trace, home: (id) => id}];
    player.Surface = Surface;

    // -- what is to be seen at the present position ------------------------------------------------

    const FIRST = {nan: "first NaN", inf: "first Inf", vanishing: "vanishing from here",
        exploding: "exploding from here", zero: "zero from here"};

    function contributions(pass, indices, home) {
        return indices.map((index) => pass.contributions[index]).map((each) => ({
            edge: player.edgeOf({...each, source: home(each.source), consumer: home(each.consumer)}),
            norm: player.normOf(each.facts), given: each.facts,
        }));
    }

    function arriving(pass, event, home, events) {
        if (player.direction === "backward") return contributions(pass, event.from, home);
        const node = page.nodes.get(home(event.node));
        return (node ? node.inputs : []).map((edge) => {
            const {facts = null} = events.get(edge.source) || {};
            return {edge, norm: player.normOf(facts), given: facts};
        });
    }

    const leaving = (pass, event, home) =>
        (player.direction === "forward" ? [] : contributions(pass, event.to, home));

    // What every node of a pass got, has and gives, by the first trace's ids; worked out once.
    const worked = new Map();
    function placesOf(pass, home) {
        const events = pass[player.direction];
        if (!worked.has(events)) {
            const byId = new Map(events.map((event) => [home(event.node), event]));
            worked.set(events, new Map([...byId].map(([id, event]) => [id, {
                norm: player.normOf(event.facts), state: event.state,
                inward: arriving(pass, event, home, byId), outward: leaving(pass, event, home),
            }])));
        }
        return worked.get(events);
    }

    const timed = new Map();
    function stepsAt(t) {
        const {steps} = player;
        if (!timed.has(steps)) {
            const byTime = new Map();
            for (const [index, step] of steps.entries()) {
                step.index = index;
                if (!byTime.has(step.t)) byTime.set(step.t, []);
                byTime.get(step.t).push(step);
            }
            timed.set(steps, byTime);
        }
        return timed.get(steps).get(t);
    }

    // Over time the largest differences are known of all steps together only: statistics decide.
    function differ(step) {
        if (!player.unrolled) {
            const far = player.second.difference.nodes[step.event.node];
            return far && (player.direction === "forward" ? far.forward : far.sum);
        }
        const other = player.counterpart(step);
        const [one, two] = [step.event.facts, other && other.facts];
        return one && two ? ["norm", "min", "max", "mean"].some((key) => one[key] !== two[key]) : one !== two;
    }

    // What the surface of one trace shows; `home` leads from its nodes to the first trace's.
    function model({which, home}) {
        const nodes = new Map();
        const lines = new Map();
        const {t} = player.step;
        const pass = player.passAt(t, which);
        if (!pass) return {nodes, lines, active: null, dim: true, moving: []};
        const marks = new Map(which.marks.filter((mark) => mark.pass === player.direction && mark.step === t)
            .map((mark) => [home(mark.node), FIRST[mark.kind]]));
        const difference = player.second && player.second.difference;
        const parting = difference && difference.first[player.direction];
        const firstDifference = parting && parting.step === t ? parting.node : null;
        const now = player.whole ? null : player.step;
        const places = placesOf(pass, home);
        let moving = [];
        for (const step of stepsAt(t)) {
            if (now && step.index > player.index) break;
            const place = places.get(step.event.node);
            if (!place) continue;
            const current = step === now;
            const id = step.event.node;
            if (!current || player.phase > 0) {
                nodes.set(id, {
                    norm: place.norm, state: place.state, differs: difference && differ(step),
                    first: marks.get(id) || (id === firstDifference ? "first difference" : ""),
                });
            }
            const {inward} = place;
            const outward = current && player.phase < player.phases - 1 ? [] : place.outward;
            const draw = (part, phase) => lines.set(part.edge, {norm: part.norm, now: current && player.phase === phase});
            for (const part of inward) if (part.edge) draw(part, 0);
            for (const part of outward) if (part.edge && part.given) draw(part, 2);
            if (current) moving = player.phase === 0 ? inward : player.phase === 2 ? outward : [];
        }
        return {nodes, lines, active: now ? now.event.node : null, dim: Boolean(now),
            moving: moving.filter((part) => part.edge && part.given)};
    }

    function drawn(id) {
        const node = page.nodes.get(id);
        return node.cell ? id : node.box;
    }

    player.onChange((how) => {
        for (const each of player.surfaces) {
            if (how === "theme") each.surface.colors.clear();
            const shown = model(each);
            each.surface.show({...shown, active: shown.active === null ? null : drawn(shown.active)});
            const animate = how === "step" || how === "phase" || (how === "play" && player.showsPhases());
            each.surface.run(animate ? shown.moving : [], player.phaseTime() * 0.95, player.direction === "backward",
                player.phase === 0);
        }
        if (!player.whole && !["select", "theme", "slide"].includes(how)) page.reveal([player.step.event.node]);
    });
});
