// What the page uses of it. The package's own types name their files without endings: to ES modules all of them are `any`.

export { layout } from '@dagrejs/dagre';

interface GraphLabel {
  width?: number;
  height?: number;
  rankdir?: 'TB';
  nodesep?: number;
  ranksep?: number;
  marginx?: number;
  marginy?: number;
}
interface Point {
  x: number;
  y: number;
}

export declare class Graph {
  setGraph(label: GraphLabel): void;
  setDefaultEdgeLabel(make: () => object): void;
  setNode(id: string, size: { width: number; height: number }): void;
  setEdge(from: string, to: string, label?: { isInner: boolean }): void;
  graph(): GraphLabel;
  node(id: string): Point;
  edges(): object[];
  edge(edge: object): { points: Point[]; isInner?: boolean };
}
