// The trace player: what its scripts share on `page.player`.

/** A time step of an `Unroll`, null for the one pass of a network. */
type Time = number | null;

/** What a pass left, as a size: a number, "nan" or "inf", null for nothing. */
type Norm = Data.Number | null;

/** An event in the order of a pass; all time steps of an `Unroll` come one after the other. */
interface Step {
    t: Time;
    event: Data.Event & Partial<Data.BackwardEvent>;
    index: number;
}

/** What made the player move: it says what has to follow. */
type Cause = "step" | "phase" | "jump" | "slide" | "play" | "pause" | "select" | "theme";

/** The second of two traces. */
type Compared = Data.TraceData & {difference: Data.Difference};

interface Player {
    trace: Data.TraceData;
    /** The same trace, if it is one of an `Unroll`. */
    unrolled: Data.UnrolledTrace | null;
    second: Compared | null;
    direction: Data.View;
    /** The place in `steps`; their number stands for the whole pass. */
    index: number;
    /** Contributions arrive (0), they are summed (1), the result is passed on (2). */
    phase: number;
    playing: boolean;
    speed: number;
    /** The reader wants nothing to move by itself. */
    calm: boolean;
    started: boolean;

    // -- player/player: where things are, moving, playing

    readonly times: Time[];
    readonly steps: Step[];
    readonly whole: boolean;
    readonly step: Step;
    readonly phases: number;
    onChange(listener: (cause: Cause) => void): void;
    /** The events of a time step of the first trace. */
    passAt(t: Time): Data.Pass;
    /** The same of either trace, if it has such a time step. */
    passOf(trace: Data.TraceData, t: Time): Data.Pass | undefined;
    /** What the other trace recorded at the same node and time. */
    counterpart(step: Step): Data.Event | null;
    indexOf(id: number | null, t?: Time): number;
    labelOf(id: number): string;
    go(index: number, phase?: number, cause?: Cause): void;
    next(cause?: Cause): void;
    previous(): void;
    nextPhase(cause?: Cause): void;
    previousPhase(): void;
    setDirection(direction: Data.View): void;
    timeNear(t: number): Time;
    goTo(t: number): void;
    goToMark(mark: Data.Mark): void;
    showsPhases(): boolean;
    phaseTime(): number;
    play(): void;
    pause(): void;
    toggle(): void;

    // -- player/colors: magnitude as colour, and in words

    scale: Scale;
    symbols: Record<Exclude<Data.State, "">, string>;
    kinds: Record<Exclude<Data.State, "">, string>;
    normOf(summary: Data.Summary | null | undefined): Norm;
    /** A number of two or three digits, short enough for a picture. */
    brief(value: Norm | undefined): string;
    /** A bar as long as the magnitude is large on the scale. */
    bar(norm: Norm): HTMLElement;
    /** The ramp with its numbers, and the symbols that occur. */
    legend(): HTMLElement;

    // -- the other files

    /** Says which node, when, and how large. */
    describe(step: Step): string;
    profile: HTMLElement;
    heatCells: {ROW: number, draw(canvas: HTMLCanvasElement, rows: HeatRow[], width: number, look: HeatLook): void};
    /** The details of a step. */
    body: HTMLElement;
    /** What stands beside the contributions of a step: how the values are spread. */
    spread(step: Step): (Node | string)[];
    surfaces: {surface: Surface, trace: Data.TraceData, home: Home}[];
    Surface: new(
        drawing: SVGElement, nodeOf: (id: number) => DrawnNode | undefined,
        lineOf: (edge: PageEdge) => SVGElement | null | undefined) => Surface;
    /** From the second trace's nodes to the first's. */
    home: Home;
}

type Home = (id: number) => number;

/** How large a magnitude is, from 0 (small) to 1 (large), and its colour. */
interface Scale {
    /** Its ends, as powers of ten. */
    range(): {low: number, high: number};
    part(norm: Norm): number;
    /** Strong colours are for bars and lines, the others for boxes with words in them. */
    ramp(part: number, strong?: boolean): string;
    color(norm: Norm, strong?: boolean): string;
}

/** A row of the heat map: a node or a parameter. */
interface HeatRow {
    key: number | string;
    label: string;
    node: number | null;
    parameter: boolean;
    values: Norm[];
    states: Data.State[];
    /** What the values are the differences of. */
    pairs?: [Norm, Norm][];
}

interface Cell {
    row: number;
    column: number;
}

/** How the cells of the heat map look. */
interface HeatLook {
    /** The height of a value's bar, from 0 to 1. */
    partOf(value: Norm): number;
    /** Whether a cell has a frame of its own. */
    marked(row: HeatRow, column: number): boolean;
    /** The column that is played, and the row; -1 for none. */
    column: number;
    active: number;
    cursor: Cell | null;
}

/** A gradient, or a value, on its way along a line; `given` if there is one. */
interface Moving {
    edge: PageEdge;
    norm: Norm;
    given: boolean;
}

/** What the picture says of a node, and of a line. */
interface ShownNode {
    norm: Norm;
    state: Data.State;
    first: string;
    differs: boolean;
}

interface ShownLine {
    norm: Norm;
    now: boolean;
}

interface Shown {
    nodes: Map<number, ShownNode>;
    lines: Map<PageEdge, ShownLine>;
    active: number | null;
    dim: boolean;
}

/** One drawing of the graph to paint on: the page's own, or its copy for the second trace. */
interface Surface {
    show(shown: Shown): void;
    /** Dots from end to end of the lines, one line after the other if `inTurn`. */
    run(moving: Moving[], time: number, backward: boolean, inTurn: boolean): void;
    /** What it has painted; to be cleared when the same colours look different. */
    colors: Map<number, string | null>;
}
