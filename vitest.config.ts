import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

/** The core of the reconciler knows no platform, so its tests need none. */
const pureTests = [
  "src/instance/rules/*.test.ts",
  "src/instance/{applied,decide,migrations,names,noted,outcome,outcome-places,ran,schedule,settings,told,warning}.test.ts",
];

/** What a program does is awaited for as long as a busy computer may take over it. */
const POLL = { timeout: 20_000 };

// The suites run one after the other: `worker` and `node` are units, `programs` and `failures` are whole programs, and `e2e`
// has the machine to itself.
export default defineConfig({
  test: {
    silent: "passed-only",
    reporters: ["default", ["json", { outputFile: ".local/test-results.json" }]],
    projects: [
      {
        // The same alias as in wrangler.jsonc, which the plugin does not read.
        resolve: {
          alias: { postgres: new URL("./node_modules/postgres/src/index.js", import.meta.url).pathname },
        },
        plugins: [
          cloudflareTest(({ inject }) => ({
            wrangler: { configPath: "./wrangler.jsonc" },
            miniflare: {
              bindings: inject("workerBindings"),
              hyperdrives: { HYPERDRIVE: inject("workerDatabaseUrl") },
            },
          })),
        ],
        test: {
          name: "worker",
          maxWorkers: 2,
          include: ["src/**/*.test.ts"],
          exclude: ["**/node_modules/**", ...pureTests],
          globalSetup: ["test/support/worker-setup.ts"],
          testTimeout: 20_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: "node",
          // They start programs and wait for them far more than they work.
          maxWorkers: 4,
          include: [
            ...pureTests,
            "controller/**/*.test.ts",
            "infrastructure/**/*.test.ts",
            "supabase/**/*.test.ts",
            "test/simulation/**/*.test.ts",
            "test/conformance/**/*.test.ts",
          ],
          exclude: ["**/node_modules/**", "**/*.program.test.ts"],
          environment: "node",
          testTimeout: 20_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          // Whole programs of ours, and the real OpenClaw, as processes.
          name: "programs",
          expect: { poll: POLL },
          include: ["**/*.program.test.ts"],
          exclude: ["**/node_modules/**"],
          environment: "node",
          testTimeout: 30_000,
          hookTimeout: 120_000,
          maxWorkers: 2,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          name: "failures",
          expect: { poll: POLL },
          include: ["test/failures/**/*.test.ts"],
          environment: "node",
          testTimeout: 60_000,
          hookTimeout: 60_000,
          // They wait far more than they work, so more of them run at a time than there are cores.
          maxWorkers: 3,
          sequence: { groupOrder: 3 },
        },
      },
      {
        test: {
          name: "e2e",
          expect: { poll: POLL },
          include: ["test/e2e/**/*.test.ts"],
          environment: "node",
          testTimeout: 180_000,
          hookTimeout: 300_000,
          fileParallelism: false,
          sequence: { groupOrder: 4 },
        },
      },
    ],
  },
});
