import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

// The suites run one after the other: `worker` and `node` are units, `e2e` has the machine to itself.
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
          include: ["src/**/*.test.ts"],
          globalSetup: ["test/support/worker-setup.ts"],
          testTimeout: 20_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: "node",
          include: [
            "controller/**/*.test.ts",
            "infrastructure/**/*.test.ts",
            "supabase/**/*.test.ts",
            "test/simulation/**/*.test.ts",
          ],
          exclude: ["**/node_modules/**"],
          environment: "node",
          testTimeout: 20_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: "failures",
          include: ["test/failures/**/*.test.ts"],
          environment: "node",
          testTimeout: 60_000,
          hookTimeout: 60_000,
          // They wait far more than they work, so more of them run at a time than there are cores.
          maxWorkers: 3,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          environment: "node",
          testTimeout: 180_000,
          hookTimeout: 300_000,
          fileParallelism: false,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
});
