import { spawnSync } from "node:child_process";
import { chownSync, readFileSync } from "node:fs";

/** How to run Postgres's programs, which refuse to run as root. */
export type Launcher = {
  kind: "direct" | "user_namespace" | "other_user";
  /** The command line that runs `program`, and for `other_user` the ids that `spawn` takes. */
  command(
    program: string,
    args: string[],
  ): { file: string; args: string[]; ids: { uid?: number; gid?: number } };
  /** Hands a path to the user that the programs run as. */
  own(path: string): void;
};

/**
 * As an ordinary user the programs just run. As root on Linux they run in a user namespace, where root is seen as
 * another user though files stay root's, so that no account, no change of permissions and no world-readable checkout
 * is needed. Where namespaces are forbidden (containers with the default seccomp profile), they run as that other user.
 */
export function findLauncher(isNamespaceAllowed = canCreateUserNamespace): Launcher {
  if (process.platform !== "linux" || process.getuid?.() !== 0) {
    return { kind: "direct", command: (file, args) => ({ file, args, ids: {} }), own: () => undefined };
  }
  const user = unprivilegedUser();
  if (isNamespaceAllowed(user)) {
    return {
      kind: "user_namespace",
      command: (program, args) => ({
        file: "unshare",
        args: [...namespaceFlags(user), program, ...args],
        ids: {},
      }),
      own: () => undefined,
    };
  }
  return {
    kind: "other_user",
    command: (file, args) => ({ file, args, ids: user }),
    own: (path) => chownSync(path, user.uid, user.gid),
  };
}

type User = { uid: number; gid: number };

const namespaceFlags = (user: User) => ["-U", `--map-user=${user.uid}`, `--map-group=${user.gid}`];

function canCreateUserNamespace(user: User): boolean {
  return spawnSync("unshare", [...namespaceFlags(user), "true"], { stdio: "ignore" }).status === 0;
}

/** initdb looks its user up by id, so the id must be one that has an entry in the system's list. */
function unprivilegedUser(): User {
  const users = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .map((line) => line.split(":"))
    .map(([name, , uid, gid]) => ({ name, uid: Number(uid), gid: Number(gid) }))
    .filter((user) => user.uid > 0 && user.gid > 0);
  const user = users.find(({ name }) => name === "nobody") ?? users[0];
  return user ? { uid: user.uid, gid: user.gid } : { uid: 65534, gid: 65534 };
}
