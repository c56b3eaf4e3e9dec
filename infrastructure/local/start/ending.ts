export interface Ending {
  /** Adds what is to be done at the end. What was added last is done first. */
  readonly add: (work: () => unknown) => void;
  /** Does all that and ends the process with `code`, or with 1 when something of it fails. Later calls change nothing. */
  readonly end: (code: number) => void;
  readonly hasBegun: () => boolean;
}

/** @param onProblem is told of what fails at the end. */
export function createEnding(onProblem: (error: unknown) => void): Ending {
  const works: (() => unknown)[] = [];
  let hasBegun = false;
  const run = async (code: number) => {
    let exitCode = code;
    for (const work of works) {
      try {
        await work();
      } catch (error) {
        exitCode = 1;
        onProblem(error);
      }
    }
    process.exit(exitCode);
  };
  return {
    add: (work) => works.unshift(work),
    end: (code) => {
      if (hasBegun) return;
      hasBegun = true;
      void run(code);
    },
    hasBegun: () => hasBegun,
  };
}
