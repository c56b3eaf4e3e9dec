/** A machine's way from one settled state to the next. */
interface Course {
  abort: AbortController;
  done: Promise<void>;
}

/**
 * At most one course a machine: a newer one ends the older at its next step, waits until it has let go, and goes on
 * from whatever it left.
 */
export class Courses {
  readonly #courses = new Map<string, Course>();
  readonly #onError: (machineId: string, error: unknown) => void;
  #isClosed = false;

  constructor(onError: (machineId: string, error: unknown) => void) {
    this.#onError = onError;
  }

  /** Sends the machine on its way. `work` stops where it finds its signal aborted. */
  begin(machineId: string, work: (signal: AbortSignal) => Promise<void>): void {
    const previous = this.#courses.get(machineId);
    previous?.abort.abort();
    const abort = new AbortController();
    if (this.#isClosed) abort.abort();
    const course: Course = { abort, done: Promise.resolve() };
    const run = async (): Promise<void> => {
      await previous?.done;
      try {
        if (!abort.signal.aborted) await work(abort.signal);
      } catch (error) {
        this.#onError(machineId, error);
      }
      if (this.#courses.get(machineId) === course) this.#courses.delete(machineId);
    };
    this.#courses.set(machineId, course);
    course.done = run();
  }

  has(machineId: string): boolean {
    return this.#courses.has(machineId);
  }

  /** Resolves when the machine has no way to go. */
  async settled(machineId: string): Promise<void> {
    let last: Course | undefined;
    for (;;) {
      const course = this.#courses.get(machineId);
      if (course === undefined || course === last) return;
      await course.done;
      last = course;
    }
  }

  /** Ends every course at its next step, and lets none begin any more. */
  close(): Promise<unknown> {
    this.#isClosed = true;
    for (const course of this.#courses.values()) course.abort.abort();
    return Promise.all([...this.#courses.values()].map((course) => course.done));
  }
}
