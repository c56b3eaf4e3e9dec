// A Worker that does nothing but pass on: what the real one is measured against.
export default {
  fetch(request, env) {
    const { pathname, search } = new URL(request.url);
    const passed = new Request(env.UPSTREAM + pathname + search, request);
    passed.headers.set("fly-force-instance-id", env.MACHINE_ID);
    passed.headers.set("x-kiloclaw-proxy-token", env.PROXY_TOKEN);
    return fetch(passed, { redirect: "manual" });
  },
};
