# SPDX-License-Identifier: MIT
"""What runner.py asks of a back-end that is measured: one class, one object for each mode.

    peer = Qemu("timer", build_dir, packed=False)
    peer.is_available()                  None, or in one line why it cannot run here
    target = peer.start(netns, cpu, scratch)
    ... txbench run *target.options --wire target.wire, in the namespace ...
    peer.stop()

start: in that network namespace, all threads on that CPU, its files in scratch; when it returns, a
driver can connect, again and again. It raises Failure. stop: the process is gone; may run twice, or
without a start. freeze: it is stopped by signal, or goes on. counters: what it has counted by
itself, by name, or None. A peer whose txbench must run somewhere
else (a guest with vhost-net) says so with target.prefix, the command that txbench is an argument of.
"""
import glob
import itertools
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time

START_S = 20
TAPS = itertools.count()  # a name is not used again: a dead process' io_uring may hold it a while


class Failure(Exception):
    """What went wrong, in one line."""


class Target:
    def __init__(self, options, wire, pid, prefix=()):
        self.options = options  # of txbench run: where the device is
        self.wire = wire        # where its frames come out: an interface, "none" or "loop"
        self.pid = pid
        self.prefix = list(prefix)


class Namespace:
    """A network namespace that sends nothing by itself, and is gone after close."""

    def __init__(self):
        self.name = f"txbench-{os.getpid()}-{secrets.token_hex(2)}"
        made = subprocess.run(["ip", "netns", "add", self.name], capture_output=True, text=True)
        if made.returncode:
            raise Failure(f"no network namespace can be made (run as root): {made.stderr.strip()}")
        off = "for i in all default; do echo 1 >/proc/sys/net/ipv6/conf/$i/disable_ipv6; done"
        try:
            subprocess.run(self.inside("sh", "-c", f"[ ! -d /proc/sys/net/ipv6 ] || {off}"),
                           check=True)
        except BaseException:  # Ctrl-C too: nobody else knows of it yet
            self.close()
            raise

    def inside(self, *command):
        """The command in this namespace; it ends when we do. exec all the way: one process."""
        return ["setpriv", "--pdeathsig", "KILL", "ip", "netns", "exec", self.name, *command]

    def close(self):
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True)


def missing(*programs):
    for program in programs:
        if not shutil.which(program):
            return f"needs {program} (tools/setup installs it)"
    return None


def boost(pid="self"):
    """
    The scheduler gives each session a share of the CPUs, and nice counts within a session only: a
    large share for that process' session.
    """
    try:
        with open(f"/proc/{pid}/autogroup", "w") as f:
            f.write("-17")
    except OSError:
        pass


def clear_after(pid):
    """What a process that was killed has left: its namespace and its files. Its back-ends died with
    it."""
    for path in glob.glob(f"/run/netns/txbench-{pid}-*"):
        subprocess.run(["ip", "netns", "del", os.path.basename(path)], capture_output=True)
    for place in ("/dev/shm", tempfile.gettempdir()):
        for path in glob.glob(os.path.join(place, f"txbench-{pid}-*")):
            shutil.rmtree(path, ignore_errors=True)


def have_own_session():
    """Go on in a session of our own, with a large share of the CPUs."""
    if os.getsid(0) == os.getpid():
        boost()
        return
    child = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", sys.executable, *sys.argv],
                             start_new_session=True)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda n, _: child.send_signal(n))
    status = child.wait()
    if status < 0:
        clear_after(child.pid)
    sys.exit(status if status >= 0 else 128 - status)


def children(pid):
    """The process and all that it has started."""
    found = [pid]
    for parent in found:
        for path in glob.glob(f"/proc/{parent}/task/*/children"):
            try:
                with open(path) as f:
                    found += map(int, f.read().split())
            except OSError:
                pass
    return found


class Peer:
    kind = None      # the word before the colon
    programs = ()    # that it needs

    def __init__(self, mode, build, packed=False):
        self.mode = mode
        self.build = build
        self.packed = packed
        self.child = None
        self.log = None
        self.id = f"{self.kind[:4]}{next(TAPS)}"  # of its files
        self.tap = self.id

    @property
    def name(self):
        return f"{self.kind}:{self.mode}"

    def is_available(self):
        return missing(*self.programs)

    # For the adapters.

    def spawn(self, netns, cpu, scratch, command, env=None):
        """A pinned process with its input held open. Not in the terminal's foreground: Ctrl-C is
        ours to pass on."""
        self.log = os.path.join(scratch, f"{self.id}.log")
        with open(self.log, "wb") as log:
            self.child = subprocess.Popen(netns.inside("taskset", "-c", str(cpu), *command),
                                          stdin=subprocess.PIPE, stdout=log, stderr=log, env=env,
                                          process_group=0)

    def last_words(self):
        with open(self.log, errors="replace") as f:
            lines = [line.strip() for line in f if line.strip()]
        return lines[-1] if lines else "it said nothing"

    def wait_until(self, ready, what):
        end = time.monotonic() + START_S
        while not ready():
            if self.child.poll() is not None or time.monotonic() > end:
                raise Failure(f"{self.name}: no {what}: {self.last_words()}")
            time.sleep(0.01)

    def wait_for_socket(self, path):
        self.wait_until(lambda: os.path.exists(path), "socket")

    def wait_for_words(self, words):
        def said():
            with open(self.log, errors="replace") as f:
                return words in f.read()
        self.wait_until(said, f"'{words}'")

    def wait_for_tap(self, netns):
        up = ["ip", "-n", netns.name, "link", "set", self.tap, "up"]
        self.wait_until(lambda: not subprocess.run(up, capture_output=True).returncode,
                        f"interface {self.tap}")

    def make_veth(self, netns):
        """Its near end is called self.tap; the name of the far end."""
        far = f"{self.tap}w"
        for words in (("add", self.tap, "type", "veth", "peer", "name", far),
                      ("set", self.tap, "up"), ("set", far, "up")):
            made = subprocess.run(["ip", "-n", netns.name, "link", *words], capture_output=True,
                                  text=True)
            if made.returncode:
                raise Failure(f"{self.name}: no veth: {made.stderr.strip()}")
        return far

    # For the user.

    def alive(self):
        return self.child is not None and self.child.poll() is None

    def freeze(self, frozen):
        if self.alive():
            self.child.send_signal(signal.SIGSTOP if frozen else signal.SIGCONT)

    def counters(self):
        return None

    def stop(self):
        if self.child:
            self.child.kill()
            self.child.wait()
            self.child.stdin.close()
            self.child = None
