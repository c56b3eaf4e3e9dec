/**
 * The CLI's commands about devices over the gateway's own socket, as a backend without a device (openclaw-gateway.md §3.1, §3.3). A
 * gateway that trusts a proxy takes the CLI itself for a stranger's device: 2026.9.6 lets it read the list from the disk, and approve
 * nobody but itself (measured). To be used after `script-environment.ts`.
 */
export const SOCKET_SCRIPT = String.raw`
const CALL_MS_MAX = 8_000;

/** As a run of the CLI would have ended; null where the gateway lets nobody in, so that nothing was done. */
async function overSocket(args) {
  const [group, command, id] = args;
  const calls = {
    list: ["device.pair.list", {}],
    approve: ["device.pair.approve", { requestId: id }],
    remove: ["device.pair.remove", { deviceId: id }],
  };
  const call = group === "devices" && typeof WebSocket !== "undefined" ? calls[command] : undefined;
  if (call === undefined) return null;
  const gateway = (readConfig() || {}).gateway || {};
  const port = env.OPENCLAW_GATEWAY_PORT || gateway.port || 18789;
  for (const way of waysIn(gateway.auth || {})) {
    const answer = await ask(port, way, call);
    if (answer === null) continue;
    if (answer === "no answer") return { args, exitCode: null, timedOut: true, stdout: "", stderr: "" };
    const stdout = JSON.stringify(answer.payload || {});
    if (answer.ok) return { args, exitCode: 0, timedOut: false, stdout: stdout.slice(0, request.outputCharsMax), stderr: "" };
    return { args, exitCode: 1, timedOut: false, stdout: "", stderr: endOf(String((answer.error || {}).message)) };
  }
  return null;
}

/** With its password or token; and with the header that vouches for the owner, where the gateway knows only its proxy. */
function waysIn(auth) {
  const literal = (value) => typeof value === "string" && !value.includes("$" + "{") && value;
  const password = env.OPENCLAW_GATEWAY_PASSWORD || literal(auth.password);
  const token = literal(auth.token) || env.OPENCLAW_GATEWAY_TOKEN;
  const ownerHeader = env.OPENCLAW_KILOCLAW_OWNER_HEADER;
  return [
    ...(password ? [{ auth: { password }, headers: {} }] : []),
    ...(token ? [{ auth: { token }, headers: {} }] : []),
    ...(ownerHeader ? [{ auth: {}, headers: { [ownerHeader]: "Owner", "x-forwarded-for": "192.0.2.1" } }] : []),
  ];
}

/** The answer to one call, or null where nobody was let in. What became of one that was made and not answered, nobody knows. */
function ask(port, { auth, headers }, [method, params]) {
  return new Promise((resolve) => {
    const socket = new WebSocket("ws://127.0.0.1:" + port + "/", { headers });
    let isIn = false;
    const end = (answer) => {
      clearTimeout(timer);
      resolve(answer);
      socket.close();
    };
    const fail = () => end(isIn ? "no answer" : null);
    const timer = setTimeout(fail, CALL_MS_MAX);
    const send = (id, method, params) => socket.send(JSON.stringify({ type: "req", id, method, params }));
    const scopes = ["operator.admin", "operator.read", "operator.write", "operator.approvals", "operator.pairing"];
    const client = { id: "gateway-client", version: "1.0.0", platform: process.platform, mode: "backend" };
    const common = { role: "operator", scopes, caps: [], commands: [], permissions: {}, locale: "en-US", userAgent: "exec" };
    socket.onerror = fail;
    socket.onclose = fail;
    socket.onmessage = ({ data }) => {
      const frame = JSON.parse(data);
      if (frame.type === "event" && frame.event === "connect.challenge") {
        send("connect", "connect", { minProtocol: 3, maxProtocol: 4, client, auth, ...common });
      } else if (frame.type === "res" && frame.id === "connect") {
        isIn = frame.ok;
        if (isIn) send("call", method, params);
        else end(null);
      } else if (frame.type === "res" && frame.id === "call") {
        end(frame);
      }
    };
  });
}
`;
