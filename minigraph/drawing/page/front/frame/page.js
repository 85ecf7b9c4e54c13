// The page's heart: the data, events between the parts, and their start.

// biome-ignore lint/correctness/noUnusedVariables: all other scripts use it
const page = (() => {
    /** @type {Data.PageData} */
    const data = JSON.parse(document.getElementById("data")?.textContent || "");
    /** @type {[string, () => void][]} */
    const parts = [];
    /** @type {Map<string, ((...values: never) => void)[]>} */
    const handlers = new Map();
    // What the picture shows of them is added by graph.js.
    const nodes = new Map(data.graph.nodes.map((node) => [node.id, /** @type {PageNode} */ (node)]));
    const edges = /** @type {PageEdge[]} */ (data.graph.edges);

    /** @type {Page["on"]} */
    function on(event, handler) {
        const known = handlers.get(event);
        if (known) known.push(handler);
        else handlers.set(event, [handler]);
    }

    /**
     * A part that fails must not take the others with it: its error goes to the console.
     * @param {string} name
     * @param {() => void} action
     */
    function attempt(name, action) {
        try {
            action();
        } catch (error) {
            console.error(`${name}: ${error instanceof Error && error.stack || error}`);
        }
    }

    /** @type {Page["emit"]} */
    function emit(event, ...values) {
        for (const handler of handlers.get(event) || []) {
            attempt(event, () => /** @type {(...values: unknown[]) => void} */ (handler)(...values));
        }
    }

    /** @type {Page["part"]} */
    function part(name, setup) {
        parts.push([name, setup]);
    }

    /** @type {Page["node"]} */
    function node(id) {
        const found = nodes.get(id);
        if (!found) throw new Error(`there is no node ${id}`);
        return found;
    }

    function start() {
        for (const [name, setup] of parts) attempt(name, setup);
        emit("ready");
        document.documentElement.dataset.ready = "yes";
    }

    document.addEventListener("DOMContentLoaded", start);
    // The other files add the rest.
    return /** @type {Page} */ ({
        data, graph: data.graph, traces: data.traces, nodes, edges, on, emit, part, node,
    });
})();
