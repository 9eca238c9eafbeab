"""A booted systemd in namespaces of its own, over an overlay of this host's
root folder, so that nothing it does reaches the host."""
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time

# Name, major, minor. Made here, never bound from the host's /dev: systemd
# changes owner and mode of what it takes for its console.
NODES = [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8),
         ("urandom", 1, 9), ("tty", 5, 0)]
NAMESPACES = ["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup"]


class ContainerError(Exception):
    """It could not be started."""


def mount(kind, target, options="", source="none"):
    if not os.path.isdir(target):
        os.makedirs(target)
    subprocess.run(["mount", "-t", kind, *(["-o", options] if options else []),
                    source, target], check=True)


def make_devices(folder):
    mount("tmpfs", folder, "mode=755")
    for name, major, minor in NODES:
        path = f"{folder}/{name}"
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(major, minor))
        os.chmod(path, 0o666)
    mount("devpts", f"{folder}/pts", "newinstance,ptmxmode=666,mode=620")
    mount("tmpfs", f"{folder}/shm", "mode=1777")
    os.symlink("pts/ptmx", f"{folder}/ptmx")
    for name, number in [("fd", ""), ("stdin", "/0"), ("stdout", "/1"),
                         ("stderr", "/2")]:
        os.symlink(f"/proc/self/fd{number}", f"{folder}/{name}")


def hide(root):
    """What of the host's would disturb."""
    for path in ["usr/sbin/policy-rc.d"]:  # keeps packages from starting units
        if os.path.lexists(f"{root}/{path}"):
            os.unlink(f"{root}/{path}")
    for unit in ["console-getty.service", "systemd-udevd.service",
                 "systemd-udev-trigger.service", "systemd-timesyncd.service",
                 "systemd-networkd.service", "systemd-resolved.service",
                 "systemd-sysctl.service", "systemd-modules-load.service",
                 "timers.target"]:
        path = f"{root}/etc/systemd/system/{unit}"
        if os.path.lexists(path):
            os.unlink(path)
        os.symlink("/dev/null", path)
    with open(f"{root}/etc/fstab", "w", encoding="utf-8"):
        pass


def become_init(work, files):
    """Runs inside the new namespaces, as process 1; does not return."""
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    mount("tmpfs", work)
    for name in ["upper", "scratch", "root"]:
        os.mkdir(f"{work}/{name}")
    root = f"{work}/root"
    mount("overlay", root, f"lowerdir=/,upperdir={work}/upper,"
          f"workdir={work}/scratch", "overlay")
    given = f"{root}/given"
    os.mkdir(given)
    for path in files:
        shutil.copy(path, given)
    hide(root)
    mount("proc", f"{root}/proc", "nosuid,nodev,noexec", "proc")
    # The kernel's settings belong to the host.
    subprocess.run(["mount", "--bind", f"{root}/proc/sys",
                    f"{root}/proc/sys"], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", f"{root}/proc/sys"],
                   check=True)
    mount("sysfs", f"{root}/sys", "ro,nosuid,nodev,noexec", "sysfs")
    mount("cgroup2", f"{root}/sys/fs/cgroup", "", "cgroup2")
    mount("tmpfs", f"{root}/run", "mode=755")
    mount("tmpfs", f"{root}/tmp", "mode=1777")
    make_devices(f"{root}/dev")
    os.mkdir(f"{root}/.old")
    os.chdir(root)
    subprocess.run(["pivot_root", ".", ".old"], check=True)
    os.chroot(".")
    subprocess.run(["umount", "-l", "/.old"], check=True)
    null = os.open("/dev/null", os.O_RDWR)
    for fd in range(3):
        os.dup2(null, fd)
    os.execve("/lib/systemd/systemd",
              ["systemd", "--unit=basic.target", "--log-target=journal"],
              {"container": "segbroker-test", "LC_ALL": "C.UTF-8",
               "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})


def cgroup2_folder():
    with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
        for line in mounts:
            fields = line.split()
            if fields[fields.index("-") + 1] == "cgroup2":
                return fields[4]
    raise ContainerError("no cgroup2 is mounted here")


class Container:
    """One booted systemd; its process 1 has number `init` on the host."""

    def __init__(self, files):
        self.init = None
        self.namespace = None
        self.work = tempfile.mkdtemp(prefix="segsys-", dir="/tmp")
        self.cgroup = (f"{cgroup2_folder()}/"
                       f"{os.path.basename(self.work)}")
        os.mkdir(self.cgroup)
        self.log = open(f"{self.work}/log", "w+b")
        inside = [sys.executable, __file__, self.work, *files]
        # Enters the cgroup, then makes it the root of a namespace. All ends
        # with this process.
        self.outer = subprocess.Popen(
            ["sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"',
             self.cgroup, "setpriv", "--pdeathsig", "KILL", "unshare", *NAMESPACES, "--fork", "--kill-child",
             "--propagation", "private", "--", *inside],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def boot(self, seconds=60):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.outer.poll() is not None:
                self.log.seek(0)
                raise ContainerError(self.log.read().decode(errors="replace"))
            if self.init is None:
                self.find_init()
            elif self.run("systemctl", "is-system-running").stdout.strip() in (
                    "running", "degraded"):
                return
            time.sleep(0.05)
        raise ContainerError("systemd did not come up")

    def find_init(self):
        path = f"/proc/{self.outer.pid}/task/{self.outer.pid}/children"
        with open(path, encoding="ascii") as file:
            children = file.read().split()
        if not children:
            return
        try:
            with open(f"/proc/{children[0]}/comm", encoding="utf-8") as file:
                if file.read().strip() == "systemd":
                    self.namespace = os.readlink(
                        f"/proc/{children[0]}/ns/pid")
                    self.init = int(children[0])
        except FileNotFoundError:
            pass

    def run(self, *command, user=None, seconds=60, data=None):
        """Runs a command in there; its output is text."""
        if user:
            command = ["setpriv", f"--reuid={user}", f"--regid={user}",
                       "--init-groups", "--", *command]
        try:
            return subprocess.run(
                ["nsenter", "-t", str(self.init), "-m", "-u", "-i", "-n", "-p",
                 "-C", "-r", "-w", "--", "env", "-i", "LC_ALL=C.UTF-8",
                 "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
                 "DEBIAN_FRONTEND=noninteractive", "SYSTEMD_PAGER=",
                 *command],
                input=data, capture_output=True, text=True, timeout=seconds)
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(command, 124, "", "timed out")

    def processes(self):
        """Their numbers on the host."""
        found = []
        for entry in os.listdir("/proc"):
            try:
                if entry.isdigit() and self.namespace and os.readlink(
                        f"/proc/{entry}/ns/pid") == self.namespace:
                    found.append(int(entry))
            except OSError:
                pass
        return found

    def path(self, name):
        """A file in there, seen from the host."""
        return f"/proc/{self.init}/root{name}"

    def stop(self, seconds=20):
        """Powers it off, or kills it; and removes what it needed."""
        if self.init and self.outer.poll() is None:
            self.run("systemctl", "poweroff")
        try:
            self.outer.wait(seconds if self.init else 0)
            orderly = True
        except subprocess.TimeoutExpired:
            orderly = False
            # The kernel ends all that is in the namespace with it.
            if self.init:
                os.kill(self.init, signal.SIGKILL)
            self.outer.kill()
            self.outer.wait()
        deadline = time.monotonic() + 5
        while self.processes() and time.monotonic() < deadline:
            time.sleep(0.02)
        for folder, _, _ in os.walk(self.cgroup, topdown=False):
            os.rmdir(folder)
        self.log.close()
        shutil.rmtree(self.work)
        return orderly


if __name__ == "__main__":
    become_init(sys.argv[1], sys.argv[2:])
