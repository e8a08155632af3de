/**
 * Parallel moves: any number of places get the values that other places have at the same moment. Yields single moves in an order
 * that destroys nothing still needed; cycles go through a scratch place.
 */

/** A place: registers 0 to 9, spill slots from `SPILL` on; negative numbers are LIR sources, which only can be read. */
export type Place = number;

/** First place that is a spill slot. */
export const SPILL = 16;

export interface Move {
  to: Place;
  from: Place;
}

/** Single moves, in order. `scratch` is asked for a place only if there is a cycle. */
export function sequentialize(moves: readonly Move[], scratch: () => Place): Move[] {
  const pending = moves.filter((move) => move.to !== move.from).map((move) => ({ ...move }));
  const out: Move[] = [];
  while (pending.length > 0) {
    // Constants last: they need no source kept alive.
    let ready = pending.findIndex((move) => move.from >= 0 && isUnread(move.to, pending, move));
    if (ready < 0) ready = pending.findIndex((move) => isUnread(move.to, pending, move));
    if (ready >= 0) {
      out.push(pending[ready]!);
      pending.splice(ready, 1);
      continue;
    }
    const blocked = pending[0]!.to;
    const rescued = scratch();
    out.push({ to: rescued, from: blocked });
    for (const move of pending) if (move.from === blocked) move.from = rescued;
  }
  return out;
}

/** Whether no other pending move still reads the place. */
function isUnread(place: Place, pending: readonly Move[], self: Move): boolean {
  for (const move of pending) if (move !== self && move.from === place) return false;
  return true;
}
