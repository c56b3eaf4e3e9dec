import type { FlyClient, FlyResult } from "../../src/fly/client.ts";
import { noAnswer } from "../../src/fly/errors.ts";
import type { Random } from "./random.ts";

/** The same cloud, over a network that now and then loses the answer to a call that took effect. */
export function losingAnswers(cloud: FlyClient, random: Random, probability: number): FlyClient {
  const lossy =
    <Args extends unknown[], T>(call: (...args: Args) => Promise<FlyResult<T>>) =>
    async (...args: Args): Promise<FlyResult<T>> => {
      const answer = await call(...args);
      return random.chance(probability) ? { ok: false, error: noAnswer("the answer was lost") } : answer;
    };
  return {
    getMachine: (...args) => cloud.getMachine(...args),
    findMachines: (...args) => cloud.findMachines(...args),
    waitForMachine: (...args) => cloud.waitForMachine(...args),
    getVolume: (...args) => cloud.getVolume(...args),
    findVolumes: (...args) => cloud.findVolumes(...args),
    createMachine: lossy((...args) => cloud.createMachine(...args)),
    updateMachine: lossy((...args) => cloud.updateMachine(...args)),
    startMachine: lossy((...args) => cloud.startMachine(...args)),
    stopMachine: lossy((...args) => cloud.stopMachine(...args)),
    destroyMachine: lossy((...args) => cloud.destroyMachine(...args)),
    createVolume: lossy((...args) => cloud.createVolume(...args)),
    deleteVolume: lossy((...args) => cloud.deleteVolume(...args)),
  };
}
