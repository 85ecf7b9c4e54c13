// The cells of the heat map on a canvas. A cell holds a bar as high as the norm is large, in the
// colour of the scale: a row reads as a curve over time, in grey too. Wide cells say the number,
// and what is wrong has a symbol.

page.part("heat_cells", () => {
    if (!page.player?.unrolled) return;
    const {player} = page;
    const ROW = 18;
    const WIDE = 44;
    /** @type {Partial<Record<Data.State, string>>} */
    const SIGNS = {nan: "N", inf: "\u221e", zero: "0", nothing: "\u2013"};

    /** @type {Player["heatCells"]["draw"]} */
    function draw(canvas, rows, width, {partOf, marked, column, active, cursor}) {
        const columns = rows.length ? rows[0].values.length : 0;
        const ratio = window.devicePixelRatio || 1;
        canvas.style.width = `${width * columns}px`;
        canvas.style.height = `${ROW * rows.length}px`;
        canvas.width = width * columns * ratio;
        canvas.height = ROW * rows.length * ratio;
        const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
        pen.scale(ratio, ratio);
        pen.textBaseline = "middle";
        pen.textAlign = "center";
        const computed = getComputedStyle(document.documentElement);
        /** @param {string} name */
        const style = (name) => computed.getPropertyValue(name).trim();
        const colors = {warning: style("--warning"), faint: style("--faint"), ink: style("--ink"),
            paper: style("--paper"), panel: style("--panel"), accent: style("--accent")};
        /** @type {(x: number, y: number, wide: number, high: number, color: string, thick: number) => void} */
        const frame = (x, y, wide, high, color, thick) => {
            pen.strokeStyle = color;
            pen.lineWidth = thick;
            pen.strokeRect(x + thick / 2, y + thick / 2, wide - thick, high - thick);
        };

        for (const [r, row] of rows.entries()) {
            pen.fillStyle = r % 2 ? colors.panel : colors.paper;
            pen.fillRect(0, r * ROW, width * columns, ROW);
            for (const [c, value] of row.values.entries()) {
                const cell = {pen, colors, width, value, state: row.states[c], x: c * width, y: r * ROW};
                drawBar(cell, partOf(value));
                drawText(cell);
                drawState(cell);
                if (marked(row, c)) frame(cell.x, cell.y, width, ROW, colors.warning, 2);
            }
        }
        if (column >= 0) frame(column * width, 0, width, ROW * rows.length, colors.accent, 1);
        if (active >= 0 && column >= 0) frame(column * width, active * ROW, width, ROW, colors.ink, 2.5);
        if (cursor) frame(cursor.column * width, cursor.row * ROW, width, ROW, colors.accent, 2.5);
    }

    /**
     * @typedef {object} DrawnCell
     * @property {CanvasRenderingContext2D} pen
     * @property {Record<"warning" | "faint" | "ink" | "paper", string>} colors
     * @property {number} width
     * @property {Norm} value
     * @property {Data.State} state
     * @property {number} x
     * @property {number} y
     */

    /**
     * @param {DrawnCell} cell
     * @param {number} part
     */
    function drawBar({pen, value, x, y, width, colors}, part) {
        const gap = width > 8 ? 1 : 0;
        if (typeof value === "string") {
            pen.fillStyle = colors.warning;
            pen.fillRect(x + gap / 2, y + 1, width - gap, ROW - 2);
        } else if (value) {
            const tall = 2 + (ROW - 4) * part;
            pen.fillStyle = player.scale.ramp(part, width < WIDE);  // numbers need paler colours
            pen.fillRect(x + gap / 2, y + ROW - 1 - tall, width - gap, tall);
        }
    }

    /** @param {DrawnCell} cell */
    function drawText({pen, value, state, x, y, width, colors}) {
        const text = width >= WIDE ? player.brief(value) : SIGNS[state];
        if (!text || width < 7) return;
        pen.font = width >= WIDE ? "10.5px sans-serif" : "9px sans-serif";
        pen.fillStyle = typeof value === "string" ? colors.paper : value ? colors.ink : colors.faint;
        pen.fillText(text, x + width / 2, y + ROW / 2 + 0.5);
    }

    /** @param {DrawnCell} cell */
    function drawState({pen, state, x, y, width, colors}) {
        if (width >= WIDE || (state !== "vanishing" && state !== "exploding")) return;
        pen.fillStyle = colors.warning;
        if (width < 7) {
            pen.fillRect(x, y + 1, width, 2);
            return;
        }
        const [tip, foot] = state === "vanishing" ? [y + 6, y + 2] : [y + 2, y + 6];
        pen.beginPath();
        pen.moveTo(x + width / 2 - 3, foot);
        pen.lineTo(x + width / 2 + 3, foot);
        pen.lineTo(x + width / 2, tip);
        pen.fill();
    }

    player.heatCells = {ROW, draw};
});
