// The page's heart: the data, events between the parts, and their start.

const page = (() => {
    const data = JSON.parse(document.getElementById("data").textContent);
    const parts = [];
    const handlers = new Map();

    function on(event, handler) {
        if (!handlers.has(event)) handlers.set(event, []);
        handlers.get(event).push(handler);
    }

    // A part that fails must not take the others with it: its error goes to the console.
    function attempt(name, action) {
        try {
            action();
        } catch (error) {
            console.error(`${name}: ${error.stack || error}`);
        }
    }

    function emit(event, ...values) {
        for (const handler of handlers.get(event) || []) attempt(event, () => handler(...values));
    }

    function part(name, setup) {
        parts.push([name, setup]);
    }

    function start() {
        for (const [name, setup] of parts) attempt(name, setup);
        emit("ready");
        document.documentElement.dataset.ready = "yes";
    }

    document.addEventListener("DOMContentLoaded", start);
    return {
        data, graph: data.graph, traces: data.traces,
        nodes: new Map(data.graph.nodes.map((node) => [node.id, node])),
        edges: data.graph.edges,
        on, emit, part,
    };
})();
