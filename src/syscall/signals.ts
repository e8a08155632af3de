/**
 * SIGINT and SIGTERM: handlers of the script's loops, and last actions before the process dies of the signal. A last
 * action runs only if nobody handles the signal: then the process goes on and tidies up itself.
 */
import { call } from "./libc.ts";
import { getpid } from "./process.ts";
import { type Runtime, runtime } from "./runtime/mod.ts";

/** The signals that end a process in an orderly way. */
export type EndSignal = "SIGINT" | "SIGTERM";

const NUMBERS: Readonly<Record<EndSignal, number>> = { SIGINT: 2, SIGTERM: 15 };
const SIGNALS: readonly EndSignal[] = ["SIGINT", "SIGTERM"];

interface State {
  /** Handlers of `onSignal` that are there. */
  readonly handlers: Record<EndSignal, number>;
  /** Signals that one of them got in this turn; it may have taken itself away since. */
  readonly taken: Set<EndSignal>;
  readonly actions: Set<() => void>;
  /** Takes away the handlers that run the actions. */
  readonly listening: (() => void)[];
}

const states: WeakMap<Runtime, State> = new WeakMap();

function stateOf(rt: Runtime): State {
  let state = states.get(rt);
  if (state === undefined) {
    state = { handlers: { SIGINT: 0, SIGTERM: 0 }, taken: new Set(), actions: new Set(), listening: [] };
    states.set(rt, state);
  }
  return state;
}

/** Runs `handler` at the signal, which then does not end the process; returns a function that takes it back. */
export function onSignal(signal: EndSignal, handler: () => void): () => void {
  const rt = runtime();
  const state = stateOf(rt);
  const off = rt.onSignal(signal, () => {
    state.taken.add(signal);
    setTimeout(() => state.taken.delete(signal), 0);
    handler();
  });
  state.handlers[signal]++;
  let isOn = true;
  return () => {
    if (!isOn) return;
    isOn = false;
    state.handlers[signal]--;
    off();
  };
}

/**
 * Runs `action` before the process dies of SIGINT or SIGTERM; returns a function that takes it back. Signals are
 * handled only while there are actions.
 */
export function beforeDeath(action: () => void): () => void {
  const rt = runtime();
  const state = stateOf(rt);
  state.actions.add(action);
  if (state.listening.length === 0) {
    for (const signal of SIGNALS) state.listening.push(rt.onSignal(signal, () => die(rt, state, signal)));
  }
  return () => {
    state.actions.delete(action);
    if (state.actions.size === 0) stopListening(state);
  };
}

function die(rt: Runtime, state: State, signal: EndSignal): void {
  const isHandled = state.handlers[signal] > 0 || state.taken.has(signal) || rt.hasListeners(signal);
  if (isHandled) return;
  stopListening(state);
  for (const action of [...state.actions].reverse()) {
    try {
      action();
    } catch (error) {
      // The others must run as well, and there is nobody left to catch it.
      console.error(error);
    }
  }
  state.actions.clear();
  // Without handlers the signal does what it does by default, so whoever waits for the process sees why it ended.
  call("kill", getpid(), NUMBERS[signal]);
}

function stopListening(state: State): void {
  for (const off of state.listening.splice(0)) off();
}
