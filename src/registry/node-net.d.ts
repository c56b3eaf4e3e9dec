/** The one function of Node's that the registry uses; workerd has it by nodejs_compat, @cloudflare/workers-types has not. */
declare module "node:net" {
  export type Socket = { destroy(): void };
  export function createConnection(address: { host: string | undefined; port: number }): Socket;
}
