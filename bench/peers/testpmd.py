# SPDX-License-Identifier: MIT
"""What dpdk-ring and dpdk-xdp share: stacks of a back-end on CPU 0 and DPDK's testpmd as its driver
on CPU 1, measured in short windows that alternate.

All stacks of a row are there at the same time, but only one is awake: the others are stopped by
signal. In turn, back and forth, each has a window. A turn counts if the threads of each stack got
the CPU whenever they wanted it for 95 % of its window. The round trip of a cache line between the
CPUs is taken before, between and after the windows; a row is of the turns in its most common class
of distance, and says how many. Ratios are those of windows in one turn (bench/txbench/stats.py).
With --json all turns are kept, and --with reads those of earlier runs: each run is then one figure.
"""
import argparse
import collections
import contextlib
import fcntl
import json
import os
import re
import select
import statistics
import subprocess
import sys
import time
from typing import Callable, NamedTuple

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.append(os.path.join(TOP, "bench", "txbench"))

import results  # noqa: E402
import runner   # noqa: E402
import stats    # noqa: E402
import tell     # noqa: E402
from peer import Failure, Peer, have_own_session, missing  # noqa: E402
from tables import Table  # noqa: E402
from txringd import Txringd  # noqa: E402

SCHEMA = "txring-windows-1"
CPU_DEVICE, CPU_DRIVER = 0, 1
MEMORY_MB = 256      # of each testpmd
NR_HUGEPAGES = "/proc/sys/vm/nr_hugepages"
MIN_SHARE = 0.95     # a window with less CPU than this for a thread that wanted it does not count
MIN_RAN = 0.5        # one in which a thread slept for longer counts, and is called a stall
RING = 256           # chains
TRIES = 3            # turns tried for each one wanted, at most
START_S = 20
SETTLE_S = 0.02      # of a stack that was woken, before its window
DPDK, CEILING = "dpdk", "ceiling"
C2C = ("bench", "peers", "c2c")


def thread_times(pid):
    """Of each thread of pid: CPU time and time without a CPU, in ns, and whether it wants one."""
    times = {}
    for tid in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{tid}/schedstat", encoding="ascii") as f:
            cpu, wait = map(int, f.read().split()[:2])
        with open(f"/proc/{pid}/task/{tid}/stat", encoding="utf-8") as f:
            wants = f.read().rsplit(")", 1)[1].split()[0] == "R"
        times[tid] = (cpu, wait, wants)
    return times


def busy(now, before, seconds):
    """
    Of the busiest thread: the share of the time that it got what it wanted, and ran. The kernel
    books waiting when it is over: a thread that wants a CPU and had little of either waits still.
    """
    def of(thread, then):
        cpu, wait = thread[0] - then[0], thread[1] - then[1]
        if thread[2] and cpu + wait < MIN_RAN * seconds * 1e9:
            wait = seconds * 1e9 - cpu
        return cpu, wait
    cpu, wait = max(of(now[t], before[t]) for t in now if t in before)
    return 1 - wait / 1e9 / seconds, cpu / 1e9 / seconds


class Testpmd(Peer):
    """Takes commands; what it says is read up to what is waited for."""
    kind = "testpmd"
    text = all = ""

    def spawn(self, netns, cpu, scratch, command, env=None):
        self.child = subprocess.Popen(netns.inside("taskset", "-c", str(cpu), *command), env=env,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, process_group=0)
        os.set_blocking(self.child.stdout.fileno(), False)

    def start(self, world, cpu, vdevs, driver=False, paced=False):
        memory = ["--in-memory", *["--single-file-segments"] * driver] if world.huge else \
            ["--no-huge", f"--file-prefix={self.id}"]
        self.spawn(world.netns, cpu, world.scratch, [
            "stdbuf", "-oL", "dpdk-testpmd", "--lcores", f"0@{cpu},1@{cpu}", "--no-pci",
            "--no-telemetry", *memory, "-m", str(MEMORY_MB), *(f"--vdev={vdev}" for vdev in vdevs),
            "--", "-i", "--no-mlockall", "--total-num-mbufs=16384",
            *["--record-core-cycles"] * paced],
            env={**os.environ, "RUNTIME_DIRECTORY": world.scratch})
        for port in range(len(vdevs)):
            self.expect(rf"Port {port}: .*")

    def say(self, line, pattern):
        self.child.stdin.write((line + "\n").encode())
        self.child.stdin.flush()
        return self.expect(pattern)

    def expect(self, pattern):
        """Wait for the pattern in what was not consumed yet; consume up to it."""
        end = time.monotonic() + START_S
        while not (match := re.search(pattern, self.text)):
            left = end - time.monotonic()
            if left <= 0 or not self.alive():
                said = [line for line in self.all.splitlines() if line.strip("testpmd> ")]
                raise Failure(f"{self.name}: no '{pattern}': {(said or ['it said nothing'])[-1]}")
            if select.select([self.child.stdout], [], [], left)[0]:
                new = (self.child.stdout.read() or b"").decode(errors="replace")
                self.text, self.all = self.text + new, self.all + new
        self.text = self.text[match.end():]
        return match

    def forward(self, mode, size, how="start"):
        self.say(f"set fwd {mode}\nset txpkts {size}\n{how}", f"{mode} packet forwarding")

    def halt(self):
        self.say("stop", "Done")

    def worked(self):
        """(frames so far, seconds of the bursts that moved any): all else is looking in vain"""
        m = self.say("show fwd stats all",
                     r"total cycles=(\d+) / total \w+ packets=(\d+)\) at (\d+) MHz")
        return int(m.group(2)), int(m.group(1)) / 1e6 / int(m.group(3))

    def count(self, what, port=0):
        """(packets received or sent so far, when that was counted)"""
        n = int(self.say(f"show port stats {port}", what + r"-packets: (\d+)").group(1))
        at = time.monotonic()
        self.expect("Throughput")
        return n, at


class Stack:
    """A back-end and its driver. peers: those that sleep while other stacks have their windows."""
    MODES = {}  # by operation: what a testpmd as back-end does, what the driver, how it starts
    PACED = ()  # operations whose ceiling is the driver's own pace
    pace = None  # frames per second that the driver would do if it never found none, last window

    def __init__(self, world, name, op):
        self.world, self.name, self.op = world, name, op
        self.device = self.driver = self.wire = None
        self.peers, self.stalls = [], 0

    def made(self, peer, sleeps=True):
        """The world ends it, whatever happens meanwhile."""
        self.world.peers[peer.id] = peer
        self.peers += [peer] * sleeps
        return peer

    def start_txringd(self, txmode, backend):
        self.device = self.made(Txringd(f"{txmode}@{backend}", self.world.opt.build))
        target = self.device.start(self.world.netns, CPU_DEVICE, self.world.scratch)
        self.wire = target.wire
        return target.options[1]

    def start_vhost(self, xdp=False):
        """DPDK's own back-end; xdp: with the near end of a veth."""
        self.device = self.made(Testpmd("back-end", None))
        listener = os.path.join(self.world.scratch, f"{self.device.id}.sock")
        vdevs = [f"net_vhost0,iface={listener},queues=1"]
        if xdp:
            self.wire = self.device.make_veth(self.world.netns)
            vdevs.append(f"net_af_xdp0,iface={self.device.tap}")
        self.device.start(self.world, CPU_DEVICE, vdevs)
        return listener

    def start_driver(self, listener, options="", vdevs=()):
        self.driver = self.made(Testpmd("driver", None))
        self.driver.start(self.world, CPU_DRIVER, [
            f"net_virtio_user0,path={listener},queues=1,queue_size={RING}{options}", *vdevs],
            driver=True, paced=self.op in self.PACED)

    def counters(self):
        """txringd's, {"tx_frames": 1, ...}; None: the back-end is another."""
        if not isinstance(self.device, Txringd):
            return None
        return {f"{way}_{name}": n for way, counts in self.device.all_counters().items()
                for name, n in counts.items()}

    def start(self, size):
        device, driver, how = self.MODES[self.op]
        if isinstance(self.device, Testpmd):
            self.device.forward(device, size)
        self.driver.forward(driver, size, how)

    def halt(self):
        self.driver.halt()
        if isinstance(self.device, Testpmd):
            time.sleep(0.1)  # for what is on its way
            self.device.halt()

    def count(self):
        """(frames so far, when that was counted)"""
        raise NotImplementedError

    def check(self):
        """Raise Failure where counts do not agree; txringd's counters by name, or None."""
        return None

    def note(self):
        """What else the row says of it, or None."""
        return None

    def sleep(self):
        for peer in self.peers:
            peer.freeze(True)

    @contextlib.contextmanager
    def awake(self):
        for peer in self.peers:
            peer.freeze(False)
        yield
        self.sleep()

    def worked(self):
        return self.driver.worked() if self.op in self.PACED else None

    def window(self, opt):
        """Frames per second, or None if other programs had the CPUs; --quick does not ask."""
        with self.awake():
            time.sleep(SETTLE_S)
            worked = self.worked()
            before = [thread_times(p.child.pid) for p in self.peers]
            n0, t0 = self.count()
            time.sleep(opt.window_ms / 1000)
            n1, t1 = self.count()
            shares = [busy(thread_times(p.child.pid), b, t1 - t0)
                      for p, b in zip(self.peers, before)]
            if worked:
                (frames, then), (more, now) = worked, self.worked()
                # The cycles of a burst in which it lost its CPU are more than it needed.
                lost = (1 - shares[self.peers.index(self.driver)][0]) * (t1 - t0)
                self.pace = (more - frames) / (now - then - lost) if now - then > lost else None
        if min(got for got, _ in shares) < MIN_SHARE and not opt.quick:
            return None
        self.stalls += min(ran for _, ran in shares) < MIN_RAN
        return (n1 - n0) / (t1 - t0)


class World(runner.Session):
    """The session, with hugepages for its testpmds, if it may make some, for its time."""

    def __init__(self, opt):
        super().__init__(None, None, {}, CPU_DRIVER, CPU_DEVICE)
        self.opt, self.nr_hugepages, self.hugepages_before = opt, None, None

    def __exit__(self, *_):
        super().__exit__()
        if self.nr_hugepages is not None:
            os.pwrite(self.nr_hugepages, self.hugepages_before, 0)
            os.close(self.nr_hugepages)

    def get_hugepages(self):
        def info(name):
            with open("/proc/meminfo", encoding="ascii") as f:
                return int(re.search(name + r":\s*(\d+)", f.read()).group(1))
        wanted = (3 + len(self.opt.txmodes)) * MEMORY_MB // 2
        if info("Hugepagesize") != 2048 or info("HugePages_Free") >= wanted + 16:
            return info("Hugepagesize") == 2048
        try:
            fd = os.open(NR_HUGEPAGES, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        # Locked until it is set back: others who make some and give them up would take ours.
        runner.progress(f"waits for the lock of {NR_HUGEPAGES}")
        fcntl.flock(fd, fcntl.LOCK_EX)
        self.nr_hugepages, self.hugepages_before = fd, os.pread(fd, 32, 0)
        more = max(0, wanted + 16 - info("HugePages_Free"))
        with contextlib.suppress(OSError):
            os.pwrite(fd, b"%d" % (int(self.hugepages_before) + more), 0)
        return info("HugePages_Free") >= wanted

    def c2c(self):
        """(round trip of a cache line between the CPUs in ns, its class)"""
        out = subprocess.run([os.path.join(self.opt.build, *C2C)], text=True, capture_output=True,
                             check=True).stdout.split()
        return float(out[0]), out[1]

    def turn(self, stacks):
        """A window of each."""
        distance, rates, around = [self.c2c()], {}, {}
        for s in stacks:
            rates[s.name] = s.window(self.opt)
            distance.append(self.c2c())
            around[s.name] = statistics.mean(ns for ns, _ in distance[-2:])
        if any(s.op in s.PACED for s in stacks):
            rates[CEILING] = max((s.pace for s in stacks if s.pace), default=None)
        classes = {name for _, name in distance}
        return {"rates": rates, "c2c_ns": around,
                "class": classes.pop() if len(classes) == 1 else "mixed"}

    def row(self, stacks, size):
        turns, counters, notes = [], {}, {}
        for s in stacks:
            s.stalls = 0
            with s.awake():
                s.start(size)
        while len(turns) < TRIES * self.opt.windows and len(kept(turns)) < self.opt.windows:
            turns.append(self.turn(stacks[::-1 if len(turns) % 2 else 1]))
        for s in stacks:
            with s.awake():
                s.halt()
                counters[s.name], notes[s.name] = s.check(), s.note()
            if {t["rates"][s.name] for t in turns} - {None} == {0}:
                raise Failure(f"{s.name}: no frame came in any window")
        return {"turns": turns, "stalls": {s.name: s.stalls for s in stacks}, "notes": notes,
                "counters": counters}

    def end(self):
        for peer in self.peers.values():
            peer.stop()
        self.peers.clear()


# What came of it.

def kept(turns):
    """Those that count: no other program had the CPUs, the distance is of the most common class."""
    quiet = [t for t in turns if None not in t["rates"].values() and t["class"] != "mixed"]
    common = collections.Counter(t["class"] for t in quiet).most_common(1)
    return [t for t in quiet if t["class"] == common[0][0]]


def judge(e, target):
    """Is the ratio over its target? Only an interval on one side of it tells."""
    if e.low is None or e.n < stats.LEAST_PAIRS or e.low < target <= e.high:
        return "open"
    return "met" if e.low >= target else "missed"


def told(bench, row, turns):
    """How many turns stand behind a row, at which distance, and what else its last session said."""
    if not turns:
        return "none was quiet"
    ns = statistics.median(ns for t in turns for ns in t["c2c_ns"].values())
    notes, stalls = [n for n in row["notes"].values() if n], row["stalls"].values()
    return f"{len(turns)} of {row['tried']}, {turns[0]['class']} {ns:.0f} ns" + \
        (f"; {bench.noted} {' / '.join(notes)}" if notes else "") + \
        (f"; stalls {' / '.join(map(str, stalls))}" if any(stalls) else "")


def merged(sessions):
    """Rows by name, with the turns of all sessions."""
    rows = {}
    for session, found in sessions:
        for name, row in found.items():
            turns = rows.get(name, {"turns": []})["turns"]
            turns += [{**t, "session": session} for t in row["turns"]]
            rows[name] = {**row, "turns": turns, "tried": len(turns)}
    return rows


def tables(bench, sessions):
    """The levels of each stack, and the ratios to DPDK, as text."""
    rows, unit = merged(sessions), bench.unit
    names = list(dict.fromkeys(s for row in rows.values() for t in row["turns"] for s in t["rates"]))
    others = [s for s in names if s != DPDK]
    levels = Table("", [unit[0], *names, "turns, distance of the CPUs"])
    ratios, targets = [], collections.Counter()
    for name, row in rows.items():
        turns = kept(row["turns"])
        sessions_of = [t["session"] for t in turns]
        rates = {s: [t["rates"].get(s) for t in turns] for s in names}
        means = [stats.level(rates[s], sessions_of) for s in names]
        levels.add([name, *(tell.estimate(e, 1 / unit[1]) for e in means), told(bench, row, turns)])
        ratios.append([stats.ratio(zip(rates[s], rates[DPDK]), sessions_of) for s in others])
    against = Table("", [f"to {DPDK}", *others, "target", ""], tell.LEGEND)
    for name, found, cells in zip(rows, ratios, tell.verdicts(ratios, with_n=True)):
        target = bench.targets.get(name.split()[0])
        judged = [judge(e, target) for s, e in zip(others, found) if e and target and s != CEILING]
        targets.update(judged)
        targets["beyond"] += sum(s == CEILING and e is not None and e.value < target
                                 for s, e in zip(others, found) if target) * judged.count("missed")
        against.add([name, *cells, target, " / ".join(judged)])
    return f"{levels.text()}\n{against.text()}" + \
        f"targets: {targets['met']} met, {targets['missed']} missed ({targets['beyond']} of " \
        f"these beyond the ceiling), {targets['open']} open\n"


class Bench(NamedTuple):
    """One such script."""
    doc: str
    ops: str
    sizes: str
    txmodes: str
    unit: tuple           # its name, and how many frames a second it is
    targets: dict         # by operation: of the ratio to DPDK
    rings: list           # variants of each operation; --quick has the first one
    programs: list        # below the build directory
    open_stacks: Callable  # (world, op, ring): stacks, asleep
    noted: str = ""       # what Stack.note() is of
    unfit: Callable = lambda opt: None  # why not here, or None


def earlier(path, command):
    """(id, rows) of a --json file."""
    data = results.load_file(path)
    if not isinstance(data, dict) or data.get("schema") != SCHEMA or data["command"][0] != command:
        raise Failure(f"--with '{path}': give what {command} --json wrote")
    return data["session"], data["rows"]


def measure(world, bench, rows):
    opt = world.opt
    rings = bench.rings[:1] if opt.quick else bench.rings
    wanted = [(op, ring) for op in opt.ops for ring in rings if re.search(opt.only, f"{op} {ring}")]
    for op, ring in wanted:
        stacks = bench.open_stacks(world, op, ring)
        for size in opt.sizes:
            name = f"{op} {size} {ring}".strip()
            runner.progress(name)
            rows[name] = row = world.row(stacks, size)
            for stack, c in row["counters"].items() if opt.verbose else ():
                print(f"{name}, {stack}:", {k: n for k, n in c.items() if n} if c else "-")
        world.end()


def parse(bench):
    p = results.Arguments(description=bench.doc,
                          formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--quick", action="store_true", help="one of each, few and short windows")
    p.add_argument("--json", metavar="FILE", help="all windows, as JSON")
    p.add_argument("--with", metavar="FILE", dest="earlier", action="append", default=[],
                   help="the windows of an earlier --json count too; may be given several times")
    p.add_argument("--build", metavar="DIR", default=os.path.join(TOP, "build"))
    p.add_argument("--windows", type=int, default=7, help="turns of a row, default %(default)s")
    p.add_argument("--window-ms", type=int, default=150)
    p.add_argument("--txmodes", default=bench.txmodes, metavar="'MODE...'",
                   help="txringd's, as poll,burst=64; default '%(default)s': DPDK polls")
    p.add_argument("--ops", default=bench.ops, help="which of %(default)s")
    p.add_argument("--sizes", default=bench.sizes, help="default %(default)s")
    p.add_argument("--only", metavar="REGEX", default="", help="rows like 'tx split in_order mrg'")
    p.add_argument("--verbose", action="store_true", help="txringd's counters")
    opt = p.parse_args()
    if opt.quick:
        opt.windows, opt.window_ms, opt.ops, opt.sizes = 2, 100, opt.ops.removesuffix(",rx"), "64"
    for name, pattern, comma in (("ops", bench.ops.replace(",", "|"), ","),
                                 ("sizes", r"\d+", ","), ("txmodes", ".+", " ")):
        words = getattr(opt, name).split(comma)
        if len({*words}) < len(words) or not all(re.fullmatch(pattern, word) for word in words):
            raise Failure(f"--{name} '{getattr(opt, name)}': must be like "
                          f"'{getattr(bench, name)}', each once")
        setattr(opt, name, words)
    return opt


def check_machine(bench, opt):
    for program in (("tools", "txringd"), C2C, *bench.programs):
        path = os.path.join(opt.build, *program)
        if not os.access(path, os.X_OK):
            raise Failure(f"there is no {path} (--build DIR; ninja -C DIR)")
    why = missing("dpdk-testpmd", "stdbuf", "ip", "taskset", "setpriv") or bench.unfit(opt) or \
        ("needs root, for testpmd" if os.geteuid() else None) or \
        ("needs two CPUs" if len(os.sched_getaffinity(0)) < 2 else None)
    if why:
        raise runner.Skip(why)


def run(bench, opt):
    rows, command = {}, os.path.basename(sys.argv[0])
    sessions = [earlier(path, command) for path in opt.earlier]
    check_machine(bench, opt)
    have_own_session()
    with World(opt) as world:
        world.huge = world.get_hugepages()
        ns, name = world.c2c()
        print(f"machine: {os.uname().release}, load {os.getloadavg()[0]:.1f}, cache line CPU to "
              f"CPU and back {ns:.0f} ns ({name}), "
              f"{'hugepages' if world.huge else 'no hugepages: 4 KiB pages'}", flush=True)
        try:
            measure(world, bench, rows)
        finally:
            runner.progress("")
            if rows:
                print(tables(bench, [*sessions, (world.data["session"], rows)]), end="")
            if rows and opt.json:
                results.write_file(opt.json, json.dumps({
                    **world.data, "schema": SCHEMA, "kernel": os.uname().release,
                    "hugepages": world.huge, "rows": rows}, indent=1))
    return 0 if opt.quick or any(kept(row["turns"]) for row in rows.values()) else 1


def main(bench):
    return runner.main(lambda opt: run(bench, opt), lambda: parse(bench))
