/** How Fly's servers name themselves: `Fly/<commit> (<date>)`. */
export const serverHeader = "Fly/10ca1f1e (2026-11-20)";
