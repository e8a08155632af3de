/** Facts about a function's flow graph: orders, dominators, loops. All arrays are indexed by block id unless said otherwise. */
import type { Block, IrFunction } from "./ir.ts";

/** Reachable blocks in reverse post-order: every block after its predecessors, loops' back edges apart. */
export function reversePostOrder(entry: Block, size: number): Block[] {
  const seen = new Uint8Array(size);
  const order: Block[] = [];
  const stack: Block[] = [entry];
  const next: number[] = [0];
  seen[entry.id] = 1;
  while (stack.length > 0) {
    const block = stack[stack.length - 1]!;
    const i = next[next.length - 1]!;
    if (i < block.succs.length) {
      next[next.length - 1] = i + 1;
      // The last successor first: it then stands last, so that what follows a branch is the code for "true".
      const succ = block.succs[block.succs.length - 1 - i]!;
      if (seen[succ.id] === 0) {
        seen[succ.id] = 1;
        stack.push(succ);
        next.push(0);
      }
    } else {
      order.push(block);
      stack.pop();
      next.pop();
    }
  }
  return order.reverse();
}

/** Dominators of a function's reachable blocks (Cooper, Harvey, Kennedy). */
export interface Dominators {
  readonly order: readonly Block[];
  /** Position in `order`; -1 for unreachable blocks. */
  readonly position: Int32Array;
  /** The immediate dominator; the entry's is itself. */
  readonly idom: readonly (Block | undefined)[];
  /** Blocks that the block dominates immediately, in reverse post-order. */
  readonly children: readonly Block[][];
  /** Entry and exit numbers of a walk over the dominator tree. */
  readonly enter: Int32Array;
  readonly leave: Int32Array;
}

export function dominators(fn: IrFunction): Dominators {
  const order = reversePostOrder(fn.blocks[0]!, fn.nextBlockId);
  const position = new Int32Array(fn.nextBlockId).fill(-1);
  order.forEach((block, i) => position[block.id] = i);
  const doms = immediateDominators(order, position);
  const idom: (Block | undefined)[] = new Array(fn.nextBlockId).fill(undefined);
  const children: Block[][] = Array.from({ length: fn.nextBlockId }, () => []);
  order.forEach((block, i) => {
    const parent = order[doms[i]!]!;
    idom[block.id] = parent;
    if (i > 0) children[parent.id]!.push(block);
  });
  const enter = new Int32Array(fn.nextBlockId);
  const leave = new Int32Array(fn.nextBlockId);
  numberTree(order[0]!, children, enter, leave);
  return { order, position, idom, children, enter, leave };
}

function immediateDominators(order: readonly Block[], position: Int32Array): Int32Array {
  const doms = new Int32Array(order.length).fill(-1);
  doms[0] = 0;
  for (let changed = true; changed;) {
    changed = false;
    for (let i = 1; i < order.length; i++) {
      let best = -1;
      for (const pred of order[i]!.preds) {
        let p = position[pred.id]!;
        if (p < 0 || doms[p]! < 0) continue;
        if (best < 0) best = p;
        while (p !== best) {
          while (p > best) p = doms[p]!;
          while (best > p) best = doms[best]!;
        }
      }
      if (best !== doms[i]) {
        doms[i] = best;
        changed = true;
      }
    }
  }
  return doms;
}

function numberTree(root: Block, children: readonly Block[][], enter: Int32Array, leave: Int32Array): void {
  let clock = 0;
  const stack: { block: Block; next: number }[] = [{ block: root, next: 0 }];
  enter[root.id] = clock++;
  while (stack.length > 0) {
    const top = stack[stack.length - 1]!;
    const child = children[top.block.id]![top.next++];
    if (child === undefined) {
      leave[top.block.id] = clock++;
      stack.pop();
    } else {
      enter[child.id] = clock++;
      stack.push({ block: child, next: 0 });
    }
  }
}

/** Whether every path to `b` goes through `a`. */
export function dominates(doms: Dominators, a: Block, b: Block): boolean {
  return doms.enter[a.id]! <= doms.enter[b.id]! && doms.leave[b.id]! <= doms.leave[a.id]!;
}

/** Natural loops. */
export interface Loops {
  /** Nesting depth of each block: 0 outside of loops. */
  readonly depth: Int32Array;
  /** Head of the innermost loop around each block. */
  readonly head: readonly (Block | undefined)[];
  /** By the head's id: the blocks of the loop. */
  readonly members: readonly (ReadonlySet<Block> | undefined)[];
}

export function loops(fn: IrFunction, doms: Dominators): Loops {
  const depth = new Int32Array(fn.nextBlockId);
  const head: (Block | undefined)[] = new Array(fn.nextBlockId).fill(undefined);
  const members: (Set<Block> | undefined)[] = new Array(fn.nextBlockId).fill(undefined);
  for (const block of doms.order) {
    const back = block.preds.filter((pred) => doms.position[pred.id]! >= 0 && dominates(doms, block, pred));
    if (back.length === 0) continue;
    const body = new Set<Block>([block]);
    const work = back;
    for (let b = work.pop(); b !== undefined; b = work.pop()) {
      if (body.has(b)) continue;
      body.add(b);
      for (const pred of b.preds) if (doms.position[pred.id]! >= 0) work.push(pred);
    }
    members[block.id] = body;
    // Outer heads come first in reverse post-order, so the innermost one is written last.
    for (const b of body) {
      depth[b.id]!++;
      head[b.id] = block;
    }
  }
  return { depth, head, members };
}
