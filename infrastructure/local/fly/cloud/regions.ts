import { Refusal, type Outcome } from "../refusal.ts";

export interface Region {
  code: string;
  name: string;
  latitude: number;
  longitude: number;
  /** What the aliases of a region list go by. */
  continent: "apac" | "eu" | "na" | "sa" | "africa";
  country: string;
}

/** Fly's regions as of June 2025. */
export const regions: readonly Region[] = [
  region("ams", "Amsterdam, Netherlands", 52.37, 4.9, "eu", "nl"),
  region("arn", "Stockholm, Sweden", 59.65, 17.92, "eu", "se"),
  region("bom", "Mumbai, India", 19.1, 72.87, "apac", "in"),
  region("cdg", "Paris, France", 48.86, 2.35, "eu", "fr"),
  region("dfw", "Dallas, Texas (US)", 32.78, -96.81, "na", "us"),
  region("ewr", "Secaucus, NJ (US)", 40.79, -74.06, "na", "us"),
  region("fra", "Frankfurt, Germany", 50.17, 8.68, "eu", "de"),
  region("gru", "Sao Paulo, Brazil", -23.55, -46.63, "sa", "br"),
  region("iad", "Ashburn, Virginia (US)", 39.02, -77.46, "na", "us"),
  region("jnb", "Johannesburg, South Africa", -26.2, 28.04, "africa", "za"),
  region("lax", "Los Angeles, California (US)", 33.94, -118.41, "na", "us"),
  region("lhr", "London, United Kingdom", 51.51, -0.13, "eu", "gb"),
  region("nrt", "Tokyo, Japan", 35.62, 139.75, "apac", "jp"),
  region("ord", "Chicago, Illinois (US)", 41.88, -87.63, "na", "us"),
  region("sin", "Singapore, Singapore", 1.3, 103.86, "apac", "sg"),
  region("sjc", "San Jose, California (US)", 37.35, -121.95, "na", "us"),
  region("syd", "Sydney, Australia", -33.87, 151.21, "apac", "au"),
  region("yyz", "Toronto, Canada", 43.65, -79.36, "na", "ca"),
];

/**
 * The regions that a machine's `region` allows, best first: a code, an alias, or a list of them. Without one it is
 * the caller's nearest.
 */
export function candidateRegions(wanted: string | undefined, nearest: string): Outcome<string[]> {
  if (wanted === undefined || wanted === "") return [nearest];
  const candidates = new Set<string>();
  for (const name of wanted.split(",").map((part) => part.trim())) {
    const codes = codesOf(name, nearest);
    if (codes.length === 0) return unknownRegion(name);
    for (const code of codes) candidates.add(code);
  }
  return [...candidates];
}

/** A single, known region; volumes take no list and no alias. */
export function singleRegion(wanted: string | undefined, nearest: string): Outcome<string> {
  if (wanted === undefined || wanted === "") return nearest;
  return regions.some(({ code }) => code === wanted) ? wanted : unknownRegion(wanted);
}

function unknownRegion(name: string): Refusal {
  return new Refusal(422, `target region ${name} not found`);
}

function codesOf(name: string, nearest: string): string[] {
  if (name === "any") return [nearest, ...regions.map(({ code }) => code)];
  return regions.filter((candidate) => isIn(candidate, name)).map(({ code }) => code);
}

function isIn(candidate: Region, name: string): boolean {
  if (name === "us" || name === "usa") return candidate.country === "us";
  return candidate.code === name || candidate.continent === name;
}

function region(
  code: string,
  name: string,
  latitude: number,
  longitude: number,
  continent: Region["continent"],
  country: string,
): Region {
  return { code, name, latitude, longitude, continent, country };
}
