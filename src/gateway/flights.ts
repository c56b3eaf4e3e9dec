import { waitUntil } from "cloudflare:workers";

/**
 * An exec and what is done with its answer take less. Who began a flight may have been ended by the runtime in the middle of it, and
 * then it never lands.
 */
const FLIGHT_MS_MAX = 40_000;
/** Far more than an isolate can have under way; older ones go first, and are then merely not joined. */
const FLIGHTS_MAX = 1_000;

/**
 * Gives a function that does work, or joins the same work of this isolate that is under way. Work goes on when whoever asked for it
 * has gone.
 */
export function createFlights<T>(): (name: string, work: () => Promise<T>) => Promise<T> {
  const underWay = new Map<string, { landing: Promise<T>; begunAt: number }>();
  return async (name, work) => {
    const flight = underWay.get(name);
    if (flight !== undefined) {
      const landed = await within(flight.begunAt + FLIGHT_MS_MAX - Date.now(), flight.landing);
      if (landed !== null) return landed.value;
    }
    const landing = work();
    const begun = { landing, begunAt: Date.now() };
    underWay.set(name, begun);
    const [oldest] = underWay.keys();
    if (underWay.size > FLIGHTS_MAX && oldest !== undefined) underWay.delete(oldest);
    const end = (): void => {
      if (underWay.get(name) === begun) underWay.delete(name);
    };
    waitUntil(landing.then(end, end));
    return landing;
  };
}

/** What a promise becomes, or null when it becomes nothing in time. */
async function within<T>(ms: number, promise: Promise<T>): Promise<{ value: T } | null> {
  let timer: ReturnType<typeof setTimeout> | null = null;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), Math.max(0, ms));
  });
  try {
    return await Promise.race([promise.then((value) => ({ value })), late]);
  } finally {
    clearTimeout(timer);
  }
}
