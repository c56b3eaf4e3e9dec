import { describeCare } from "./testing/openclaw-care.ts";
import { describeContract } from "./testing/openclaw-contract.ts";
import { FORWARDED, secrets } from "./testing/openclaw-stage.ts";
import { describeLiveSettings } from "./testing/openclaw-live-contract.ts";

const stage = describeContract({
  version: "2026.2.26",
  controlUi: { id: "openclaw-control-ui", mode: "ui" },
  scopesTold: null,
  // The header's name is the secret, and who has it is the proxy.
  unforwarded: { kind: "connected" },
  phone: { kind: "refused", code: "PAIRING_REQUIRED" },
  ownProgram: { headers: { ...FORWARDED, [secrets.ownerHeader]: "Owner" } },
  validate: ["config", "get", "gateway.mode"],
});

describeCare(stage, "2026.2.26");
describeLiveSettings(stage, "gateway_restart");
