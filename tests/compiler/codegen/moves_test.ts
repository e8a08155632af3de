import { sequentialize } from "../../../src/compiler/codegen/moves.ts";
import type { Move, Place } from "../../../src/compiler/codegen/moves.ts";
import { assertEquals } from "@std/assert";
import { test } from "../../support/harness.ts";
import { Random } from "../../support/ir_random.ts";

/** What every place holds when the moves have been made one after the other. */
function run(moves: readonly Move[]): Map<Place, string> {
  const held = new Map<Place, string>();
  const get = (place: Place) => held.get(place) ?? `old ${place}`;
  for (const { to, from } of moves) held.set(to, get(from));
  return held;
}

function check(moves: readonly Move[]): readonly Move[] {
  const single = sequentialize(moves, () => 99);
  const held = run(single);
  for (const { to, from } of moves) assertEquals(held.get(to) ?? `old ${to}`, `old ${from}`, JSON.stringify(moves));
  return single;
}

test("sequentialize() leaves out moves to where the value is", () => {
  assertEquals(sequentialize([{ to: 1, from: 1 }], () => 99), []);
});

test("sequentialize() moves a chain from its end", () => {
  assertEquals(check([{ to: 2, from: 1 }, { to: 3, from: 2 }]), [{ to: 3, from: 2 }, { to: 2, from: 1 }]);
});

test("sequentialize() breaks a cycle with one scratch place", () => {
  assertEquals(check([{ to: 1, from: 2 }, { to: 2, from: 1 }]).length, 3);
  assertEquals(check([{ to: 1, from: 2 }, { to: 2, from: 3 }, { to: 3, from: 1 }]).length, 4);
});

test("sequentialize() loads constants last, when their places are no longer read", () => {
  assertEquals(check([{ to: 1, from: -2 }, { to: 2, from: 1 }]), [{ to: 2, from: 1 }, { to: 1, from: -2 }]);
});

test("sequentialize() is right for random moves", () => {
  const random = new Random(7);
  for (let i = 0; i < 2000; i++) {
    const targets = [0, 1, 2, 3, 4, 5, 16, 17].filter(() => random.chance(60));
    check(targets.map((to) => ({ to, from: random.chance(15) ? -2 : random.pick([0, 1, 2, 3, 4, 5, 16, 17]) })));
  }
});
