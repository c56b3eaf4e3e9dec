import { describeContract, FORWARDED, secrets } from "./testing/openclaw-contract.ts";

describeContract({
  version: "2026.2.26",
  controlUi: { id: "openclaw-control-ui", mode: "ui" },
  scopesTold: null,
  // The header's name is the secret, and who has it is the proxy.
  unforwarded: { kind: "connected" },
  phone: { kind: "refused", code: "PAIRING_REQUIRED" },
  ownProgram: { headers: { ...FORWARDED, [secrets.ownerHeader]: "Owner" } },
  validate: ["config", "get", "gateway.mode"],
});
