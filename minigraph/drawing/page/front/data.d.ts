// Written from minigraph/drawing/page/records by tests/page_types.py; change those, not this.

declare namespace Data {
    type Number = number | "nan" | "inf" | "-inf";  // JSON has no number for the last three

    /** Statistics of the finite entries, null where there are none. */
    interface Statistics {
        nan: number;  // how many entries are NaN
        inf: number;
        min: number | null;
        max: number | null;
        mean: Number | null;
        std: Number | null;
        norm: Number | null;
    }

    /** A tensor that has no statistics: it is empty, or not of numbers. */
    interface Tensor {
        shape: number[];
        dtype: string;
        count: number;
    }

    /** A tensor of numbers. */
    interface MeasuredTensor extends Tensor, Statistics {
    }

    /** A table: its first entries, and how many it has. */
    interface Table {
        entries: (Value | null)[];
        length: number;
    }

    type Value = Tensor | MeasuredTensor | Table;

    type Role = "module" | "in" | "out" | "split" | "select";

    /** An argument that a module was made with, as text. */
    interface Argument {
        name: string;
        value: string;
    }

    /** A parameter of a node's module, and its gradient if it has one. */
    interface Parameter {
        name: string;
        value: Value;
        gradient: Value | null;
    }

    /** What a node is, wherever it lies in the picture. */
    interface Described {
        id: number;
        name: string;
        label: string;  // the name, else its module, or what a helper node is in words
        role: Role;
        type: string;  // Linear
        module: string;  // nn.Linear(3 -> 12)
        text: string;  // all of a container with what it contains, else empty
        arguments: Argument[];
        location: string;  // where it was made
        description: string;
        notes: Record<string, string>;  // the user's other annotations
        entry: number | null;  // the entry of a table that a part of a split takes
        parameters: Parameter[];
    }

    /** A node of the forward graph; helper nodes have records, too. */
    interface NodeData extends Described {
        family: string;  // as in the pictures, like layer and marks
        layer: string;
        marks: string[];
        box: number;  // the node whose box in the picture shows this one
        forwardOrder: number | null;
        backwardOrder: number | null;
        output: Value | null;
        gradOutput: Value | null;
    }

    /** An edge, from producer to consumer. */
    interface EdgeData {
        source: number;
        target: number;
        slot: number;  // its place at the consumer
        element: string | null;  // id of its line in the picture, null where it is folded
    }

    /** A slot of one of the network's four tables. */
    interface Row {
        path: string;  // output[2][1]
        python: string;  // output[1][0]
        depth: number;
        node: number;
        label: string;
        module: string;
        shape: number[] | null;
        entries: number | null;
        dtype: string | null;
        mirrors: string;  // the path of the same place in the table of gradients, or of values
        chain: number[];  // the nodes from the edge of the network to the slot's own
    }

    /** The tables of a network; a graph alone has none. */
    interface Tables {
        input?: Row[];
        output?: Row[];
        gradOutput?: Row[];
        gradInput?: Row[];
    }

    /** An entry of the legend. */
    interface Family {
        key: string;
        title: string;
    }

    /** Which passes left values. */
    interface Ran {
        forward: boolean;
        backward: boolean;
    }

    interface _Graph {
        name: string;
        inputs: number | null;
        outputs: number | null;
        parameters: number;  // how many numbers the parameters hold, shared ones once
        ran: Ran;
        nodes: NodeData[];  // by id
        edges: EdgeData[];
        tables: Tables;
        families: Family[];
    }

    /** The graph that the page shows. */
    interface GraphData extends _Graph {
        moment?: string;  // which pass the values are of, if not the last
        absent?: string;  // why there are none
    }

    type View = "forward" | "backward";

    type Trouble = "nan" | "inf" | "vanishing" | "exploding" | "zero";

    type State = "" | "nothing" | "nan" | "inf" | "vanishing" | "exploding" | "zero";

    interface _Summary extends Statistics {
        shape: string;
        count: number;
        zero: number;  // how many entries are exactly 0
        rms: Number;
    }

    /** What is told of a tensor, or of all tensors of a table together; numbers have six digits. */
    interface Summary extends _Summary {
        bins?: number[];  // a histogram from min to max, in bins of equal width
        values?: Number[];  // the entries, if they are few
    }

    /** A node of a pass, and what the pass left there. */
    interface Event {
        node: number;
        summary: Summary | null;
        state: State;
    }

    interface _Indices {
        from: number[];
        to: number[];
    }

    /** A node of the backward pass; `from` and `to` are places in the list of contributions. */
    interface BackwardEvent extends Event, _Indices {
    }

    /** A gradient that went from the consumer of a value to its source. */
    interface Contribution {
        consumer: number;
        source: number;
        slot: number;
        summary: Summary | null;
    }

    /** A forward and a backward pass, each in its own order. */
    interface Pass {
        forward: Event[];
        backward: BackwardEvent[];
        contributions: Contribution[];
    }

    /** The gradient of a parameter; `steps` has its norm at each time step of an `Unroll`. */
    interface RecordedParameter {
        name: string;
        node: number | null;
        summary: Summary | null;
        steps: Number[];
    }

    interface _Pass {
        pass: View;
    }

    /** The first node of a trouble in a pass. */
    interface Mark extends _Pass {
        kind: Trouble;
        node: number;
        step: number | null;  // the time step, null for a network's one pass
        event: number;  // its place in the pass
        text: string;
    }

    interface _Recorded {
        title: string;  // "first", "second", or empty
        parameters: RecordedParameter[];
        marks: Mark[];
        reference: Number;  // the RMS that gradients are compared with
        rules: Record<Trouble, string>;  // what each trouble means
    }

    /** What traces of networks and of `Unroll`s have in common. */
    interface Recorded extends _Recorded {
        difference?: Difference;  // of the second of two traces
    }

    /** A trace of a network. */
    interface NetworkTrace extends Recorded, Pass {
        kind: "network";
    }

    /** A node over time, an entry for each column. */
    interface HeatRow {
        node: number;
        values: (Number | null)[];
        states: State[];
    }

    /** The heat maps. */
    interface Heat {
        gradient: HeatRow[];
        output: HeatRow[];
    }

    /** The norms of what arrived at an output that is fed back. */
    interface Arrival {
        output: string;
        input: string;
        given: Number | null;  // from the caller
        later: Number | null;  // from the next time step
        total: Number | null;
    }

    /** A trace of an `Unroll`. */
    interface UnrolledTrace extends Recorded {
        kind: "unroll";
        T: number;
        columns: number[];  // the time steps of the heat maps: all, if they are not too many
        heat: Heat;
        arrivals: Arrival[][];  // for each column
        details: Record<string, Pass>;  // by time step: all, if they are few enough
    }

    type TraceData = NetworkTrace | UnrolledTrace;

    /** A quantity in which two traces differ. */
    interface DifferenceRow {
        kind: string;  // forward (an output), sum, contribution, parameter, gradInput, output
        where: string;
        node: number | null;  // null where it belongs to no node
        source: number | null;
        slot: number | null;
        step: number | null;
        abs: Number;
        rel: Number;
        entry: string;
        first: Number | null;
        second: Number | null;
        note: string;
    }

    /** The largest differences at a node: of its output, of its gradient, of what it passed on. */
    interface Distances {
        forward: Number;
        sum: Number;
        passed: Number;
    }

    /** A node, and the time step of an `Unroll`. */
    interface Place {
        node: number;
        step: number | null;
    }

    /** Where two traces part, in the order of each pass; null for nowhere. */
    interface Parting {
        forward: Place | null;
        backward: Place | null;
    }

    /** Two traces compared. */
    interface Difference {
        same: boolean;
        compared: number;  // how many quantities
        count: number;  // in how many they differ
        rows: DifferenceRow[];  // the worst first, not more than anybody reads
        nodes: Record<string, Distances>;
        first: Parting;
        match: Record<string, number>;  // which node of the second trace is which of the first
        alike: boolean;  // all nodes and edges match: one picture shows both
    }

    /** The page of a network inside a node. */
    interface InnerPage {
        svg: string;
        data: PageData;
    }

    interface _Page {
        title: string;
        graph: GraphData;
        traces: TraceData[];
        inner: Record<string, InnerPage[]>;  // by the node's id
    }

    /** The data of a page; the last two are what a page tells one inside it. */
    interface PageData extends _Page {
        view?: View;  // which way the arrows point at first
        theme?: "light" | "dark";
        within?: string;  // the title of the page outside
    }
}
