import { spawnSync } from "node:child_process";
import { chownSync, readFileSync } from "node:fs";

/** How to run Postgres's programs, which refuse to run as root. */
export type Launcher = {
  /** The command line that runs `program`, and the ids that `spawn` takes to run it as another user. */
  command(
    program: string,
    args: string[],
  ): { file: string; args: string[]; ids: { uid?: number; gid?: number } };
  /** What a failure may come from, as a sentence with a space before it; empty where there is nothing to say. */
  failureHint: string;
  /** Hands a path to the user that the programs run as. */
  own(path: string): void;
};

/**
 * As an ordinary user the programs just run. As root on Linux they run in a user namespace, where root is seen as
 * another user though files stay root's, so that no account, no change of permissions and no world-readable checkout
 * is needed. Where namespaces are forbidden (containers with the default seccomp profile), they run as that other user.
 */
export function findLauncher(): Launcher {
  if (process.platform !== "linux" || process.getuid?.() !== 0) {
    return {
      command: (file, args) => ({ file, args, ids: {} }),
      failureHint: "",
      own: () => undefined,
    };
  }
  const user = unprivilegedUser();
  if (canCreateUserNamespace(user)) {
    return {
      command: (program, args) => ({
        file: "unshare",
        args: [...namespaceFlags(user), program, ...args],
        ids: {},
      }),
      failureHint: "",
      own: () => undefined,
    };
  }
  return {
    command: (file, args) => ({ file, args, ids: user }),
    failureHint:
      " As root, and without user namespaces, Postgres runs as the user nobody, who must be able to reach all these paths. Run this as an ordinary user, or set DATABASE_URL to a Postgres of your own.",
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
