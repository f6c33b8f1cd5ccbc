# SPDX-License-Identifier: MIT
"""What bench/peers/dpdk-ring and dpdk-xdp share: testpmd and txringd as processes of which only one
stack is awake, windows in turn that count only if nobody else had the CPUs, figures as text."""
import argparse
import itertools
import json
import os
import re
import select
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SKIPPED = 77
CPU_DEVICE, CPU_DRIVER = 0, 1
MEMORY_MB = 256            # of each testpmd
HUGEPAGES = 4 * 256 // 2   # of four of them, in pages of 2 MiB
NR_HUGEPAGES = "/proc/sys/vm/nr_hugepages"
MIN_SHARE = 0.95           # a window with less CPU than this for who wanted it does not count
MIN_RAN = 0.5              # one in which a thread slept for longer counts, and is called a stall
PREFIXES = itertools.count() # so that no two testpmd of a run share their files
TRIES = 3                  # pairs of windows tried for each one wanted, at most


def skip(why):
    print("skipped:", why)
    sys.exit(SKIPPED)


class Failure(Exception):
    pass


def thread_times(pid):
    """Of each thread of pid: CPU time and time without a CPU, in ns, and whether it wants one."""
    times = {}
    for tid in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{tid}/schedstat") as f:
            cpu, wait = map(int, f.read().split()[:2])
        with open(f"/proc/{pid}/task/{tid}/stat") as f:
            wants = f.read().rsplit(")", 1)[1].split()[0] == "R"
        times[tid] = (cpu, wait, wants)
    return times


class Process:
    """A program whose output is read line by line, and which is asleep while not resumed."""

    def __init__(self, args, env=None):
        self.name = os.path.basename(args[0])
        self.child = subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, env=env)
        os.set_blocking(self.child.stdout.fileno(), False)
        self.text = ""
        self.all = ""

    def say(self, line):
        self.child.stdin.write((line + "\n").encode())
        self.child.stdin.flush()

    def expect(self, pattern, seconds=20):
        """Wait for the pattern in what was not consumed yet; consume up to it."""
        end = time.monotonic() + seconds
        while not (match := re.search(pattern, self.text)):
            left = end - time.monotonic()
            if left <= 0 or self.child.poll() is not None:
                raise Failure(f"{self.name} did not say '{pattern}':\n{self.all[-1500:]}")
            if select.select([self.child.stdout], [], [], left)[0]:
                new = self.child.stdout.read() or b""
                self.text += new.decode(errors="replace")
                self.all += new.decode(errors="replace")
        self.text = self.text[match.end():]
        return match

    def signal(self, number):
        self.child.send_signal(number)

    def busy(self, before, seconds):
        """
        Of its busiest thread: the share of the time that it got what it wanted, and ran. Waiting
        is booked when it is over: who wants a CPU and had little of either waits still.
        """
        def of(thread, then):
            cpu, wait = thread[0] - then[0], thread[1] - then[1]
            if thread[2] and cpu + wait < MIN_RAN * seconds * 1e9:
                wait = seconds * 1e9 - cpu
            return cpu, wait
        now = thread_times(self.child.pid)
        cpu, wait = max(of(now[t], before[t]) for t in now if t in before)
        return 1 - wait / 1e9 / seconds, cpu / 1e9 / seconds

    def end(self):
        self.child.kill()
        self.child.wait()


class Testpmd(Process):
    COMMON = ["--no-pci", "--no-telemetry"]

    def __init__(self, cpu, name, vdevs, world, driver=False, inside=()):
        if world.huge:
            memory = ["--in-memory", "-m", str(MEMORY_MB)]
            memory += ["--single-file-segments"] if driver else []
        else:
            memory = ["--no-huge", "-m", str(MEMORY_MB), f"--file-prefix={name}{next(PREFIXES)}"]
        super().__init__([*inside, "stdbuf", "-oL", "dpdk-testpmd",
                          "--lcores", f"0@{cpu},1@{cpu}", *self.COMMON, *memory,
                          *(word for vdev in vdevs for word in ("--vdev", vdev)),
                          "--", "-i", "--no-mlockall", "--total-num-mbufs=16384"],
                         env={**os.environ, "RUNTIME_DIRECTORY": world.scratch})
        self.name = f"testpmd ({name})"

    def forward(self, mode, size=64, how="start"):
        self.say(f"set fwd {mode}\nset txpkts {size}\n{how}")
        self.expect(f"{mode} packet forwarding")

    def halt(self):
        self.say("stop")
        self.expect("Done")

    def count(self, what, port=0):
        """(packets received or sent so far, when that was counted)"""
        self.say(f"show port stats {port}")
        n = int(self.expect(what + r"-packets: (\d+)").group(1))
        at = time.monotonic()
        self.expect("Throughput")
        return n, at


class Txringd(Process):
    def __init__(self, world, socket, backend, txmode, inside=()):
        super().__init__([*inside, "taskset", "-c", str(CPU_DEVICE), world.txringd,
                          "--socket-path", socket, "--backend", backend, "--txmode", txmode])
        self.name = "txringd"
        self.expect("listening on")

    def counters(self):
        self.signal(signal.SIGUSR1)
        tx = self.expect(r"tx0 (.*)\n").group(1)
        rx = self.expect(r"rx0 (.*)\n").group(1)
        pairs = (word.split("=") for line in ("tx_" + tx.replace(" ", " tx_"),
                                              "rx_" + rx.replace(" ", " rx_"))
                 for word in line.split())
        return {name: int(n) for name, n in pairs}


class Stack:
    """Processes that make frames go round: they start and halt together."""

    def __init__(self, processes):
        self.processes = processes
        self.stalls = 0

    def start(self, size):
        raise NotImplementedError

    def halt(self):
        raise NotImplementedError

    def count(self):
        """(frames so far, when that was counted)"""
        raise NotImplementedError

    def freeze(self, frozen):
        for p in self.processes:
            p.signal(signal.SIGSTOP if frozen else signal.SIGCONT)

    def window(self, world):
        """Frames per second, or None if somebody else had the CPUs; --quick does not ask."""
        self.freeze(False)
        time.sleep(world.opt.settle_ms / 1000)
        before = [thread_times(p.child.pid) for p in self.processes]
        n0, t0 = self.count()
        time.sleep(world.opt.window_ms / 1000)
        n1, t1 = self.count()
        shares = [p.busy(b, t1 - t0) for p, b in zip(self.processes, before)]
        self.freeze(True)
        if min(got for got, _ in shares) < MIN_SHARE and not world.opt.quick:
            return None
        if min(ran for _, ran in shares) < MIN_RAN:
            self.stalls += 1
        return (n1 - n0) / (t1 - t0)

    def end(self):
        for p in self.processes:
            p.end()


class World:
    def __init__(self, opt):
        self.opt = opt
        self.txringd = os.path.join(opt.build, "tools", "txringd")
        self.c2c_program = os.path.join(opt.build, "bench", "peers", "c2c")
        self.scratch = tempfile.mkdtemp(prefix="txring-dpdk.")
        self.n_sockets = 0
        self.nr_hugepages = None
        self.huge = self.get_hugepages()
        self.stacks = []

    def get_hugepages(self):
        def info(name):
            with open("/proc/meminfo") as f:
                return int(re.search(name + r":\s*(\d+)", f.read()).group(1))
        if info("Hugepagesize") != 2048:
            return False
        missing = HUGEPAGES + 16 - info("HugePages_Free")
        if missing <= 0:
            return True
        try:
            with open(NR_HUGEPAGES) as f:
                self.nr_hugepages = int(f.read())
            with open(NR_HUGEPAGES, "w") as f:
                f.write(str(self.nr_hugepages + missing))
        except OSError:
            self.nr_hugepages = None
            return False
        return info("HugePages_Free") >= HUGEPAGES

    def socket(self):
        self.n_sockets += 1
        return f"{self.scratch}/{self.n_sockets}"

    def c2c(self):
        out = subprocess.run([self.c2c_program], capture_output=True, text=True, check=True)
        ns, name = out.stdout.split()
        return float(ns), name

    def end(self):
        for s in self.stacks:
            s.end()
        self.stacks = []

    def close(self):
        self.end()
        if self.nr_hugepages is not None:
            with open(NR_HUGEPAGES, "w") as f:
                f.write(str(self.nr_hugepages))
        shutil.rmtree(self.scratch, ignore_errors=True)

    def measure(self, size):
        """Rates of each stack by class of the CPUs' distance, and the distances."""
        kept = {}
        for s in self.stacks:
            s.freeze(False)
            s.start(size)
            s.freeze(True)
        tried = 0
        while tried < TRIES * self.opt.windows and \
                max([0] + [len(k) for k in kept.values()]) < self.opt.windows:
            distance = [self.c2c()]
            rates = []
            order = self.stacks if tried % 2 == 0 else self.stacks[::-1]
            for s in order:
                rates.append(s.window(self))
                distance.append(self.c2c())
            tried += 1
            classes = {name for _, name in distance}
            if None in rates or len(classes) > 1:
                continue
            rates = rates if order is self.stacks else rates[::-1]
            kept.setdefault(classes.pop(), []).append(
                (rates, statistics.median(ns for ns, _ in distance)))
        for s in self.stacks:
            s.freeze(False)
            s.halt()
        return kept, tried


def summary(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def text(s):
    return f"{s['median']:.1f} [{s['min']:.1f}..{s['max']:.1f}]" if s else "-"


def machine(world):
    """One line of where it runs, and what of it goes into the JSON."""
    ns, name = world.c2c()
    mem = "hugepages" if world.huge else "no hugepages to be had: --no-huge, 4 KiB pages"
    print(f"machine: {os.uname().release}, load {os.getloadavg()[0]:.1f}, cache line CPU to CPU "
          f"and back {ns:.0f} ns ({name}), {mem}")
    return {"kernel": os.uname().release, "c2c_ns": ns, "class": name, "hugepages": world.huge}


def write_json(opt, head, rows):
    if opt.json:
        with open(opt.json, "w") as f:
            json.dump({**head, "rows": rows}, f, indent=1)


def parser(doc):
    """The options that both scripts have."""
    p = argparse.ArgumentParser(description=doc.split("\n")[0])
    p.add_argument("--quick", action="store_true", help="one of each, few and short windows")
    p.add_argument("--json", metavar="FILE", help="the same results as JSON")
    p.add_argument("--build", metavar="DIR", default=os.path.join(TOP, "build"))
    p.add_argument("--windows", type=int, default=7, help="pairs of windows of a row")
    p.add_argument("--window-ms", type=int, default=150)
    p.add_argument("--settle-ms", type=int, default=20)
    p.add_argument("--verbose", action="store_true", help="txringd's counters")
    return p


def unfit():
    """Why no testpmd can be measured here, or None."""
    for program in ("dpdk-testpmd", "stdbuf", "taskset", "setsid"):
        if not shutil.which(program):
            return f"needs {program} (tools/setup installs it)"
    if os.geteuid() != 0:
        return "needs root, for testpmd"
    if len(os.sched_getaffinity(0)) < 2:
        return "needs two CPUs"
    return None


def boost():
    """In a session of its own, with a large share of the CPUs for it: nice counts within one."""
    if os.getsid(0) != os.getpid():
        os.execvp("setsid", ["setsid", "-w", sys.executable, *sys.argv])
    try:
        with open("/proc/self/autogroup", "w") as f:
            f.write("-20")
    except OSError:
        pass


def run(options, measure, unfit):
    """The whole script: options() parsed, measure(world) its exit status, unfit(opt) why not."""
    opt = options()
    why = unfit(opt)
    if why:
        skip(why)
    boost()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    world = World(opt)
    try:
        sys.exit(measure(world))
    except Failure as e:
        print("FAILED:", e)
        sys.exit(1)
    finally:
        world.close()
