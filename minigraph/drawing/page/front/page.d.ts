// What the scripts share. They are put one after the other into one scope, so each keeps its names
// to itself in a part, which runs when all of them are loaded, in the order of the files:
//
//     page.part("colours", () => {
//         if (!page.traces.length) return;
//         const panel = page.panel({id: "colours", title: "Colours", order: 15});
//         panel.element.append(page.h("button", {class: "button", onclick: next}, "Next"));
//         page.on("select", (node) => ...);
//     });
//
// Colours are CSS variables (`--ink`, `--faint`, `--line`, `--paper`, `--panel`, `--accent`,
// `--warning`) with a light and a dark value each. Controls use the classes `button`, `quiet` and
// `tabular`; style a class of your own in a style sheet of your own.

/** A node of the graph: its record, and what the picture shows of it. */
interface PageNode extends Data.NodeData, DrawnNode {
    inputs: PageEdge[];
    consumers: PageEdge[];
    /** The colour it is painted with. */
    color: string | null;
    bounds?: Bounds;
}

/** Where a drawing of the graph shows a node. */
interface DrawnNode {
    /** Its box, or the box whose cell it is. */
    element: SVGGElement;
    /** Its outline where it is a cell of another node's box. */
    cell: SVGGraphicsElement | null;
    /** The outlines to paint. */
    shapes: SVGGraphicsElement[];
}

interface PageEdge extends Data.EdgeData {
    /** Its line in the SVG, null where it is folded. */
    line: SVGGElement | null;
    bounds?: Bounds;
}

interface Bounds {
    x: number;
    y: number;
    width: number;
    height: number;
}

/** Where the picture lies in the window. */
interface Transform {
    x: number;
    y: number;
    scale: number;
}

interface Panel {
    id: string;
    title: string;
    element: HTMLElement;
    readonly shown: boolean;
    show(): void;
    hide(): void;
}

interface Key {
    key: string;
    what: string;
    /** Returns false where it leaves the key to the browser. */
    handler: (event: KeyboardEvent) => unknown;
    group: KeyGroup;
}

/** Where the help lists a key; nowhere if empty. */
type KeyGroup = "Nodes" | "Move" | "Page" | "Trace" | "Slots" | "";

interface Marked {
    nodes?: number[] | Set<number>;
    edges?: PageEdge[];
    elements?: Element[];
}

/** What an element is filled with; null and its like are skipped. */
type Child = Node | string | number | null | undefined | false | Child[];

type Listeners = {
    [Name in keyof HTMLElementEventMap as `on${Name}`]?: (event: HTMLElementEventMap[Name]) => void;
};

/** Attributes of an element; `on…` are listeners, those that are null or false are left out. */
interface Attributes extends Listeners {
    [name: string]: string | number | boolean | null | undefined | ((event: never) => void);
}

interface PageEvents {
    select: [node: PageNode | null];
    slot: [row: Data.Row | null];
    view: [direction: Data.View];
    move: [place: Transform];
    theme: [theme: Theme];
    /** A class, and all elements that have it now. */
    mark: [name: string, elements: Set<Element>];
    paint: [node: PageNode];
    /** A press on the picture that moved nothing. */
    tap: [event: PointerEvent];
    /** All parts have run. */
    ready: [];
}

type Theme = "light" | "dark";

interface Page {
    data: Data.PageData;
    graph: Data.GraphData;
    traces: Data.TraceData[];
    nodes: Map<number, PageNode>;
    edges: PageEdge[];

    // -- frame/page: parts and events

    part(name: string, setup: () => void): void;
    on<Name extends keyof PageEvents>(event: Name, handler: (...values: PageEvents[Name]) => void): void;
    emit<Name extends keyof PageEvents>(event: Name, ...values: PageEvents[Name]): void;
    /** The record of a node that is known to be there. */
    node(id: number): PageNode;

    // -- frame/dom: elements and texts

    /** Makes an HTML element. */
    h<Tag extends keyof HTMLElementTagNameMap>(
        tag: Tag, attributes?: Attributes | null, ...children: Child[]): HTMLElementTagNameMap[Tag];
    /** Makes an SVG element. */
    s<Tag extends keyof SVGElementTagNameMap>(
        tag: Tag, attributes?: Attributes | null, ...children: Child[]): SVGElementTagNameMap[Tag];
    icon(name: "theme" | "side" | "help"): SVGElement;
    /** A number with four digits. */
    number(value: Data.Number | null | undefined): string;
    /** The shape of a tensor or of a table. */
    shape(value: Data.Value | null): string;
    /** The sizes of a tensor as a shape. */
    sizes(sizes: number[]): string;
    /** Tells a screen reader. */
    say(text: string): void;

    // -- frame/regions: header, picture, side bar, strips

    stage: HTMLElement;
    sheet: HTMLElement;
    picture: SVGSVGElement;
    header: HTMLElement;
    tools: HTMLElement;
    /** A tab of the side bar, or a strip under the picture. */
    panel(panel: {id: string, title: string, place?: "side" | "bottom", order?: number}): Panel;
    /** A button in the header. */
    tool(tool: {
        id: string, title: string, icon: Element, order?: number, onclick: (event: MouseEvent) => void,
    }): HTMLButtonElement;

    // -- frame/graph: the picture and the records

    drawing: SVGGElement;
    /** How far the drawing is moved within the picture. */
    shift: {x: number, y: number};
    shapesOf(node: Data.NodeData, element: SVGGElement): DrawnNode;
    /** Where a node or an edge lies, in the picture's own coordinates. */
    place(record: PageNode | PageEdge): Bounds;
    /** Gives exactly these a class; without them, takes it away. */
    mark(name: string, marked?: Marked): void;
    /** Fades whatever is not marked as lit. */
    dim(on: boolean): void;
    /** Fills a node's box or cell in a drawing; null gives back its own colour. */
    fill(node: DrawnNode, color: string | null): void;
    /** The same in the picture. */
    paint(id: number, color: string | null): void;
    /** Everything that the nodes' values get to, or come from. */
    reach(start: number[], way: Data.View): {nodes: Set<number>, edges: PageEdge[]};
    view: Data.View;
    /** Turns the arrows; the layout stays as it is. */
    setView(view: Data.View): void;

    // -- frame/keys

    keys: Map<string, Key>;
    /** A key as `KeyboardEvent.key`, `Shift+ArrowLeft`; keys do nothing while the user types. */
    key(key: string, what: string, handler: Key["handler"], group?: KeyGroup): void;
    keyName(key: string): string;

    // -- frame/selection: the selected node, the selected slot

    rows: Map<string, Data.Row>;
    /** The slot of a path that is known to be there. */
    row(path: string): Data.Row;
    /** Whether a slot is one of gradients, and of the network's input. */
    isGradient(row: Data.Row): boolean;
    isInput(row: Data.Row): boolean;
    selected: PageNode | null;
    slot: Data.Row | null;
    select(id: number | null, options?: {center?: boolean}): void;
    selectSlot(path: string | null): void;
    clear(): void;
    /** The nodes that a pass visits, in its order. */
    inOrder(view: Data.View): PageNode[];
    /** The nodes that a slot feeds: an input's value flows down, an output's gradient back up. */
    fedBy(row: Data.Row): Marked;
    /** The slots at the other end of the network that a slot's value or gradient gets to. */
    slotsReached(row: Data.Row): Data.Row[];

    // -- frame/pan_and_zoom

    transform: Transform;
    fit(): void;
    zoom(factor: number, x?: number, y?: number): void;
    pan(dx: number, dy: number): void;
    goTo(x: number, y: number): void;
    /** Moves the picture so that the nodes can be seen. */
    reveal(ids: number[]): void;
    /** Reveals all of them if they can be read together, else the first. */
    revealAll(ids: number[]): void;

    // -- panels

    theme: Theme;
    /** The networks inside a node. */
    inside(id: number): Data.InnerPage[];
    /** Opens one of them over the page. */
    openInner(id: number, which?: number): boolean;

    // -- player

    player?: Player;
    /** The picture's copy for the second of two traces. */
    copy: Copy | null;
}

interface Copy {
    drawing: SVGGElement;
    nodes: Map<number, DrawnNode>;
    lines: Map<string, SVGElement>;
    beside: boolean;
}
