import { describeCare } from "./testing/openclaw-care.ts";
import { describeContract, FORWARDED, secrets, type VersionContract } from "./testing/openclaw-contract.ts";

const contract: VersionContract = {
  version: "2026.2.26",
  controlUi: { id: "openclaw-control-ui", mode: "ui" },
  scopesTold: null,
  // The header's name is the secret, and who has it is the proxy.
  unforwarded: { kind: "connected" },
  phone: { kind: "refused", code: "PAIRING_REQUIRED" },
  ownProgram: { headers: { ...FORWARDED, [secrets.ownerHeader]: "Owner" } },
  validate: ["config", "get", "gateway.mode"],
};
describeCare(contract, describeContract(contract));
