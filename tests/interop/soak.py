#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Pings through txringd to testpmd and back, and where each one is that does not return in time.

Started by testpmd-soak.sh in the namespace of the tap, for one driver. Never more pings are on
their way than any queue between here and there holds: none may be lost, and none may stand still
for longer than STALL_S while the threads that carry it could run. Where they could not, for want of
a CPU, it is a note; so is a loss that somebody else than txringd counts. Beside it loops take the
CPUs, part of the time. It judges no latency.
"""
import argparse
import os
import random
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import time

STALL_S = 0.1       # as long without an answer is a stall
GIVE_UP_S = 3       # and after as long nothing more is expected to come
WITNESS_S = 0.005   # of a longer time between two looks the watcher has not seen the rest
SAMPLE_S = 0.02
ON_THE_WAY = 200    # most pings; the rings have 256 entries, the tap's queue 1000
SIZES = (18, 56, 1000, 1472)
SO_RCVBUFFORCE, ICMP_FILTER, SOL_RAW = 33, 1, 255
LOAD = "while :; do :; done"


def read(path):
    with open(path) as f:
        return f.read()


class Load:
    """Loops, as many as CPUs, that are stopped but for the times when they are wanted."""

    def __init__(self, kind):
        self.kind = kind
        self.loops = [] if kind == "none" else [
            subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "sh", "-c", LOAD],
                             start_new_session=True, preexec_fn=self.raise_me)
            for _ in os.sched_getaffinity(0)]
        self.run(False)

    def raise_me(self):
        try:
            if self.kind == "raised":
                with open("/proc/self/autogroup", "w") as f:
                    f.write("-17")
            elif self.kind == "rt":
                os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        except OSError:
            pass

    def run(self, on):
        for loop in self.loops:
            loop.send_signal(signal.SIGCONT if on else signal.SIGSTOP)

    def end(self):
        for loop in self.loops:
            loop.kill()
            loop.wait()


class Threads:
    """What the threads that carry a frame did: their CPU time, and their time without a CPU."""

    def __init__(self, device, driver):
        self.paths = {name: f"/proc/{pid}/task/{tid}"
                      for pid, want in ((device, "iothread"), (driver, "worker"),
                                        (os.getpid(), ""))
                      for tid in os.listdir(f"/proc/{pid}/task")
                      for name in [read(f"/proc/{pid}/task/{tid}/comm").strip()]
                      if want in name}
        if len(self.paths) != 3:
            raise SystemExit(f"FAILED: which threads carry frames? {self.paths}")

    def sample(self):
        times = {name: tuple(map(int, read(path + "/schedstat").split()[:2]))
                 for name, path in self.paths.items()}
        stolen = int(re.match(r"cpu +(?:\d+ ){7}(\d+)", read("/proc/stat")).group(1))
        return time.monotonic(), times, stolen * 1e9 / os.sysconf("SC_CLK_TCK")

    def no_cpu_for(self, before):
        """The iothread still waits for a CPU, which no counter shows before it gets one, or testpmd
        had next to none."""
        iothread, worker, _ = self.paths
        ran = self.sample()[1][worker][0] - before[1][worker][0]
        return ran < 1e7 or read(self.paths[iothread] + "/stat").rsplit(")", 1)[1].split()[0] == "R"

    def where(self):
        return ", ".join(f"{name} {read(path + '/stat').rsplit(')', 1)[1].split()[0]} in "
                         f"{read(path + '/wchan')}" for name, path in self.paths.items())


def without_cpu(before, after):
    """Seconds that threads waited for a CPU, or that the host took from one; and in words."""
    (t0, times0, stolen0), (t1, times1, stolen1) = before, after
    waited, words = (stolen1 - stolen0) / 1e9, []
    for name in times1:
        cpu, wait = (min((times1[name][i] - times0[name][i]) / 1e9, t1 - t0) for i in (0, 1))
        waited += wait
        words.append(f"{name} ran {cpu * 1e3:.0f} and waited {wait * 1e3:.0f}")
    return waited, (f"of {(t1 - t0) * 1e3:.0f} ms " + ", ".join(words) +
                    f", stolen {(stolen1 - stolen0) / 1e6:.0f}")


class Stations:
    """Everybody on the way who counts frames, and what they counted."""

    def __init__(self, opt):
        self.opt = opt

    def answer(self, log, ask, pattern):
        """What a program appends to its log when asked."""
        path = os.path.join(self.opt.scratch, log)
        at = os.path.getsize(path)
        ask()
        end = time.monotonic() + 60
        while time.monotonic() < end:
            with open(path, errors="replace") as f:
                f.seek(at)
                if match := re.search(pattern, f.read(), re.S):
                    return match
            time.sleep(0.01)
        raise SystemExit(f"FAILED: no '{pattern}' in {log}")

    def txringd(self):
        m = self.answer("txringd.log", lambda: os.kill(self.opt.device, signal.SIGUSR1),
                        r"tx0 (frames=[^\n]*)\n.*rx0 (frames=[^\n]*)\n")
        return [{k: int(v) for k, v in (w.split("=") for w in m.group(i).split())} for i in (1, 2)]

    def testpmd(self):
        def ask():
            with open(os.path.join(self.opt.scratch, "stdin"), "w") as f:
                f.write("show port stats 0\nshow fwd stats all\n")
        m = self.answer("testpmd.log", ask, r"NIC statistics.*RX-packets: (\d+) +RX-missed: (\d+)"
                        r".*RX-errors: (\d+).*RX-nombuf: +(\d+).*TX-packets: (\d+) +TX-errors: (\d+)"
                        r".*Accumulated.*RX-dropped: (\d+).*TX-dropped: (\d+)")
        return dict(zip(("rx", "missed", "errors", "nombuf", "tx", "tx_errors", "fwd_rx_dropped",
                         "fwd_dropped"), map(int, m.groups())))

    @staticmethod
    def kernel():
        head, values = re.findall(r"^IcmpMsg: (.*)$", read("/proc/self/net/snmp"), re.M)
        icmp = dict(zip(head.split(), map(int, values.split())))
        tap = {n: int(read(f"/sys/class/net/tap0/statistics/{n}")) for n in
               ("tx_packets", "tx_dropped", "tx_errors", "rx_packets", "rx_dropped", "rx_errors")}
        qdisc = subprocess.run(["tc", "-s", "qdisc", "show", "dev", "tap0"], capture_output=True,
                               text=True).stdout
        tap["qdisc_dropped"] = sum(map(int, re.findall(r"dropped (\d+)", qdisc)))
        drops = sum(int(line.split()[-1])
                    for line in read("/proc/self/net/raw").splitlines()[1:])
        return icmp.get("OutType8", 0), icmp.get("InType0", 0), tap, drops

    def legs(self):
        """(from, to, frames that came in, frames that went on, who counted a loss) of each leg."""
        tx, rx = self.txringd()
        pmd = self.testpmd()
        out, back, tap, drops = self.kernel()

        def lost(who, counters, names):
            return {f"{who} {n}": v for n, v in counters.items() if re.match(names, n)}
        self.ours = sum(v for c in (tx, rx) for n, v in c.items()
                        if re.match("drop|broken|unsafe", n))
        return [("the kernel", "tap's queue to txringd", out, tap["tx_packets"],
                 lost("tap", tap, "tx_d|tx_e|qdisc")),
                ("txringd's read", "its rx ring", tap["tx_packets"], rx["frames"],
                 lost("txringd rx", rx, "drop")),
                ("the rx ring", "testpmd", rx["frames"], pmd["rx"],
                 lost("testpmd", pmd, "missed|errors|nombuf")),
                ("testpmd's rx", "its tx", pmd["rx"], pmd["tx"],
                 lost("testpmd", pmd, "fwd|tx_e")),
                ("the tx ring", "txringd", pmd["tx"], tx["frames"],
                 lost("txringd tx", tx, "drop")),
                ("txringd's write", "tap", tx["frames"], tap["rx_packets"],
                 lost("tap", tap, "rx_d|rx_e")),
                ("tap", "ICMP", tap["rx_packets"], back, {}),
                ("ICMP", "the watcher", back, self.opt.received, {"socket drops": drops})]


class Watcher:
    def __init__(self, opt):
        self.opt = opt
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
        self.sock.setsockopt(SOL_RAW, ICMP_FILTER, struct.pack("I", ~1 & 0xffffffff))
        self.sock.setblocking(False)
        self.sock.connect((opt.peer, 0))
        self.poll = select.poll()
        self.poll.register(self.sock, select.POLLIN)
        self.random = random.Random(opt.seed)
        self.threads = Threads(opt.device, opt.driver)
        self.stations = Stations(opt)
        self.pattern = bytes(i * 167 & 255 for i in range(max(SIZES)))
        self.seq = 0
        self.sent_at = {}        # of those on their way
        self.notes = []
        self.slowest = 0
        opt.received = 0
        time.sleep(0.05)         # the driver's first pings are over
        self.legs0 = self.stations.legs()
        self.ours0 = self.stations.ours

    def send(self):
        payload = struct.pack("!I", self.seq) + self.pattern[:self.random.choice(SIZES) - 4]
        head = struct.pack("!BBHHH", 8, 0, 0, os.getpid() & 0xffff, self.seq & 0xffff)
        words = head + payload
        total = sum(struct.unpack(f"!{len(words) // 2}H", words))
        total = (total & 0xffff) + (total >> 16)
        total = (total & 0xffff) + (total >> 16)
        self.sent_at[self.seq] = time.monotonic()
        if len(self.sent_at) == 1:
            self.progress()
        try:
            self.sock.send(words[:2] + struct.pack("!H", ~total & 0xffff) + words[4:])
        except OSError as e:
            raise SystemExit(f"FAILED: cannot send: {e}")
        self.seq += 1

    def receive(self, now):
        """Everything that is there."""
        got = False
        while True:
            try:
                packet = self.sock.recv(65536)[20:]
            except BlockingIOError:
                break
            got = True
            self.opt.received += 1
            seq, = struct.unpack_from("!I", packet, 8)
            if seq not in self.sent_at:
                raise SystemExit(f"FAILED: ping {seq} was answered twice, or never sent")
            if packet[12:] != self.pattern[:len(packet) - 12]:
                raise SystemExit(f"FAILED: ping {seq} came back with other bytes")
            self.slowest = max(self.slowest, now - self.sent_at.pop(seq))
        return got

    def progress(self):
        """Something came, or nothing is owed: no time without an answer lies behind us."""
        if self.seen and self.witnessed > STALL_S:
            self.judge_stall()
        self.witnessed = 0
        self.seen = []

    witnessed = 0       # time without an answer, as far as we were there to see it
    seen = []           # samples of the threads since the last answer
    last_look = 0
    owed = 0

    def look(self, timeout_s=0.001):
        """Wait a little for answers, and keep the books of the time without one."""
        self.poll.poll(timeout_s * 1000)
        now = time.monotonic()
        gap, self.last_look = now - self.last_look, now
        self.owed = len(self.sent_at)
        if self.receive(now) or not self.sent_at:
            self.progress()
            return
        self.witnessed += min(gap, WITNESS_S)
        if not self.seen or now - self.seen[-1][0] >= SAMPLE_S:
            self.seen.append(self.threads.sample())
            if self.witnessed > STALL_S and len(self.seen) == 6:
                self.notes.append(f"  still {len(self.sent_at)} on their way; "
                                  f"{self.threads.where()}")

    def judge_stall(self):
        waited, words = without_cpu(self.seen[0], self.threads.sample())
        text = (f"no answer for {self.witnessed * 1e3:.0f} ms (load {self.opt.load}), "
                f"{self.owed} pings were on their way; {words}")
        if waited < self.witnessed / 2:
            self.fail(f"a stall, and no thread waited for a CPU: {text}")
        self.notes.append(f"note: {text}")

    def settle(self):
        """Until all are back, or nothing has come for so long that nothing will."""
        while self.sent_at and (self.witnessed < GIVE_UP_S or self.witnessed < 10 * GIVE_UP_S and
                                self.threads.no_cpu_for(self.seen[0])):
            self.look()
        if self.sent_at:
            self.judge_loss()

    def judge_loss(self):
        lost = sorted(self.sent_at)
        words = without_cpu(self.seen[0], self.threads.sample())[1]
        legs = self.balance()
        # Would a kick wake somebody who sleeps with frames to carry?
        self.sent_at, self.witnessed, self.seen = {}, 0, []
        self.send()
        self.sent_at.update({seq: time.monotonic() for seq in lost})
        end = time.monotonic() + 1
        while self.sent_at and time.monotonic() < end:
            self.poll.poll(1)
            self.receive(time.monotonic())
        came = len(lost) - sum(seq in self.sent_at for seq in lost)
        text = (f"{len(lost)} pings, {lost[0]} to {lost[-1]} of {self.seq - 1}, did not come back "
                f"in {GIVE_UP_S} s; {legs}; {words}")
        if came:
            self.fail(f"a lost wake-up: {came} came when one more was sent: {text}")
        self.judge_counters(legs)
        self.notes.append(f"note: lost, but counted: {text}")
        self.sent_at = {}

    def balance(self):
        """In words, each leg on which a frame stayed."""
        words = []
        for (a, b, n0, m0, lost0), (_, _, n, m, lost) in zip(self.legs0, self.stations.legs()):
            counted = {w: lost[w] - lost0[w] for w in lost if lost[w] != lost0[w]}
            missing = n - n0 - (m - m0)
            if missing or counted:
                rest = missing - sum(counted.values())
                words.append(f"from {a} to {b} {missing} of {n - n0}: {counted}" +
                             (f", uncounted {rest}" if rest else ""))
        return words

    def settled_balance(self):
        """Whoever carried a frame counts it after that, and may have to wait for a CPU in between."""
        end = time.monotonic() + GIVE_UP_S
        while (legs := self.balance()) and time.monotonic() < end:
            time.sleep(0.01)
        return legs

    def judge_counters(self, legs):
        if any("uncounted" in leg for leg in legs):
            self.fail(f"frames are lost, and nobody counts them: {legs}")
        if self.stations.ours != self.ours0:
            self.fail(f"txringd dropped what it had no reason to drop: {legs}")

    def fail(self, why):
        print(*self.notes, sep="\n")
        print(f"at its end: {self.threads.where()}; {self.stations.txringd()}")
        raise SystemExit(f"FAILED: {why}")

    # Kinds of traffic: each looks at least once.

    def steady(self, until):
        n = self.random.choice((1, 2, 4))
        while time.monotonic() < until:
            for _ in range(min(n, ON_THE_WAY - len(self.sent_at))):
                self.send()
            self.look(0.002)

    def window(self, until):
        """As fast as it goes, so many on their way."""
        n = self.random.choice((1, 2, 3, 8, 64, ON_THE_WAY))
        while time.monotonic() < until:
            while len(self.sent_at) < n:
                self.send()
            self.look()

    def pauses(self, until):
        """A few, then nothing for about as long as an engine waits before it sleeps."""
        while time.monotonic() < until:
            for _ in range(self.random.choice((1, 1, 2, 5))):
                self.send()
            self.settle()
            end = time.monotonic() + self.random.choice((5e-5, 15e-5, 1e-3)) * self.random.random()
            while time.monotonic() < end:
                pass

    def bursts(self, until):
        while time.monotonic() < until:
            for _ in range(ON_THE_WAY - len(self.sent_at)):
                self.send()
            self.settle()
            time.sleep(self.random.random() * 0.02)

    def run(self):
        load = Load(self.opt.load)
        end = time.monotonic() + self.opt.seconds
        self.last_look = time.monotonic()
        try:
            while time.monotonic() < end:
                load.run(self.random.random() < 0.6)
                kind = self.random.choice((self.steady, self.window, self.pauses, self.bursts))
                kind(min(end, time.monotonic() + self.random.uniform(0.05, 0.5)))
                self.settle()
        finally:
            load.end()
        self.judge_counters(self.settled_balance())
        print(*self.notes, sep="\n", end="\n" if self.notes else "")
        print(f"ok: {self.opt.name}, load {self.opt.load}: {self.seq} pings, "
              f"slowest {self.slowest * 1e3:.1f} ms")


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name, kind in (("device", int), ("driver", int), ("scratch", str), ("peer", str),
                       ("seconds", float), ("load", str), ("name", str), ("seed", int)):
        p.add_argument("--" + name, type=kind, required=True)
    Watcher(p.parse_args()).run()


if __name__ == "__main__":
    sys.exit(main())
