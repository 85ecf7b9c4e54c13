// The cells of the heat map on a canvas. A cell holds a bar as high as the norm is large, in the
// colour of the scale: a row reads as a curve over time, in grey too. Wide cells say the number,
// and what is wrong has a symbol.

page.part("player_cells", () => {
    if (!page.player || !page.player.unrolled) return;
    const {player} = page;
    const ROW = 18;
    const WIDE = 44;
    const SIGNS = {nan: "N", inf: "\u221e", zero: "0", nothing: "\u2013"};

    // `partOf` maps a value to its height, from 0 to 1; `marked(row, column)` frames a cell.
    function drawCells(canvas, rows, width, {partOf, marked, column, active, cursor}) {
        const columns = rows.length ? rows[0].values.length : 0;
        const ratio = window.devicePixelRatio || 1;
        canvas.style.width = `${width * columns}px`;
        canvas.style.height = `${ROW * rows.length}px`;
        canvas.width = width * columns * ratio;
        canvas.height = ROW * rows.length * ratio;
        const pen = canvas.getContext("2d");
        pen.scale(ratio, ratio);
        pen.textBaseline = "middle";
        pen.textAlign = "center";
        const computed = getComputedStyle(document.documentElement);
        const style = (name) => computed.getPropertyValue(name).trim();
        const colors = {warning: style("--warning"), edge: style("--edge"), faint: style("--faint"), ink: style("--ink"),
            paper: style("--paper"), panel: style("--panel"), accent: style("--accent")};
        const frame = (x, y, w, high, color, thick) => {
            pen.strokeStyle = color;
            pen.lineWidth = thick;
            pen.strokeRect(x + thick / 2, y + thick / 2, w - thick, high - thick);
        };

        for (const [r, row] of rows.entries()) {
            pen.fillStyle = r % 2 ? colors.panel : colors.paper;
            pen.fillRect(0, r * ROW, width * columns, ROW);
            for (const [c, value] of row.values.entries()) {
                const [x, y] = [c * width, r * ROW];
                drawBar(pen, value, x, y, width, partOf, colors);
                drawText(pen, value, row.states[c], x, y, width, colors);
                drawState(pen, row.states[c], x, y, width, colors);
                if (marked(row, c)) frame(x, y, width, ROW, colors.warning, 2);
            }
        }
        if (column >= 0) frame(column * width, 0, width, ROW * rows.length, colors.accent, 1);
        if (active >= 0 && column >= 0) frame(column * width, active * ROW, width, ROW, colors.ink, 2.5);
        if (cursor) frame(cursor.column * width, cursor.row * ROW, width, ROW, colors.accent, 2.5);
    }

    function drawBar(pen, value, x, y, width, partOf, colors) {
        const gap = width > 8 ? 1 : 0;
        if (typeof value === "string") {
            pen.fillStyle = colors.warning;
            pen.fillRect(x + gap / 2, y + 1, width - gap, ROW - 2);
        } else if (value) {
            const tall = 2 + (ROW - 4) * partOf(value);
            pen.fillStyle = player.scale.ramp(partOf(value), width < WIDE); // numbers need paler colours
            pen.fillRect(x + gap / 2, y + ROW - 1 - tall, width - gap, tall);
        }
    }

    function drawText(pen, value, state, x, y, width, colors) {
        const text = width >= WIDE ? player.brief(value) : SIGNS[state];
        if (!text || width < 7) return;
        pen.font = width >= WIDE ? "10.5px sans-serif" : "9px sans-serif";
        pen.fillStyle = typeof value === "string" ? colors.paper : value ? colors.ink : colors.faint;
        pen.fillText(text, x + width / 2, y + ROW / 2 + 0.5);
    }

    function drawState(pen, state, x, y, width, colors) {
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

    player.cells = {ROW, draw: drawCells};
});
