/** What has to be undone if a later step fails, last first. */
export class Cleanup implements Disposable {
  readonly #undo: (() => void)[] = [];

  /** Remembers how to undo a step. */
  defer(undo: () => void): void {
    this.#undo.push(undo);
  }

  /** Takes over something disposable and returns it. */
  own<T extends Disposable>(resource: T): T {
    this.#undo.push(() => resource[Symbol.dispose]());
    return resource;
  }

  /** All went well: nothing is undone, whoever has the resources keeps them. */
  keep(): void {
    this.#undo.length = 0;
  }

  [Symbol.dispose](): void {
    for (let undo = this.#undo.pop(); undo !== undefined; undo = this.#undo.pop()) undo();
  }
}
