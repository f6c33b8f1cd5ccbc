# SPDX-License-Identifier: MIT
"""Runs of txbench in turn: what bench/compare, bench/study and their kin have in common.

    jobs = plan(["txringd:timer", "ceiling"], ["poisson:1000"], ["64"], ["idle"], rounds=3, seed=1)
    with Session(out="DIR", txbench="PATH", peers=peers, cpu=1, backend_cpu=0, seed=1) as session:
        session.run(jobs, options_of)        options_of(job): of txbench, beside those made here
    session.status                           0; 1: it ended early, and said why; 130: Ctrl-C
    sys.exit(main(function, parse))          one line for an error, the exit status

A session is one call of such a program. All peers are pinned to one CPU, in a network namespace
that ends with the session. A peer is started when its first turn comes, and stopped by signal (SIGSTOP)
while others have theirs: only one at a time has a CPU, and none pays for its start in what is
measured. A run for which the machine was too busy, or that left no result, is tried once more; each
try has a file of its own, and compare.json names them all.
"""
import itertools
import json
import os
import random
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

from ceiling import Ceiling
from dpdk import Dpdk
from peer import Failure, Namespace, missing
from qemu import Qemu
from results import BUSY, COMPARE, BadInput
from txringd import Txringd

KINDS = {kind.kind: kind for kind in (Txringd, Qemu, Dpdk, Ceiling)}
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
TRIES = 2         # of a run that does not count since the machine was busy, or left no result
RUN_LIMIT_S = 60  # beyond the time for which frames are offered
SETTLE_S = 0.02   # for a back-end to see that its driver is gone, before it is stopped
INTERRUPTED, SKIPPED = 130, 77


class Skip(Exception):
    """Why there is nothing to do here, in one line."""


class Job(NamedTuple):
    """One run of txbench."""
    peer: str
    load: str
    size: str
    state: str
    round: int   # from 1
    file: str
    try_number: int = 1

    def again(self):
        number = self.try_number + 1
        return self._replace(file=f"{self.file.removesuffix('.json')}_t{number}.json",
                             try_number=number)


def file_name(*words):
    return re.sub(r"[^A-Za-z0-9.=-]+", "_", " ".join(words)) + ".json"


def plan(peers, loads, sizes, states, rounds, seed, takes=lambda peer, load, size, state: True):
    """
    A round has each peer once under each load, size and state, but for those that it does not take.
    All peers have their turn under one load before the next one comes, so two that are compared are
    seconds apart. The order of the loads, and of the peers under each, is shuffled in each round.
    """
    order, jobs = random.Random(seed), []
    for number in range(1, rounds + 1):
        blocks = list(itertools.product(loads, sizes, states))
        order.shuffle(blocks)
        for block in blocks:
            takers = [p for p in peers if takes(p, *block)]
            order.shuffle(takers)
            jobs += [Job(p, *block, number, file_name(f"r{number:02}", p, *block))
                     for p in takers]
    return jobs


def make_peers(specs, build, packed, named):
    """By spec; and [spec, why] of those that cannot run here: an error if they were named."""
    peers, skipped = {}, []
    for spec in specs:
        kind, _, mode = spec.partition(":")
        if kind not in KINDS or bool(mode) == (kind == Ceiling.kind):
            raise Failure(f"--peers '{spec}' must be KIND:MODE, with KIND one of "
                          f"{', '.join(k for k in KINDS if k != Ceiling.kind)}; or {Ceiling.kind}")
        try:
            peer = KINDS[kind](mode, build, packed)
        except Failure as e:
            raise Failure(f"--peers {e}") from None
        why = peer.is_available()
        if why and named:
            raise Failure(f"--peers '{spec}': {why}")
        if why:
            skipped.append([spec, why])
        else:
            peers[spec] = peer
    if not peers:
        raise Failure("no back-end can run here: " + "; ".join(": ".join(s) for s in skipped))
    return peers, skipped


def split_list(text, words):
    """At commas before one of these words: other commas belong to an item."""
    return re.split(rf",(?=(?:{'|'.join(words)})\b)", text)


def split_peers(text):
    return split_list(text, [rf"{k}:" if k != Ceiling.kind else k for k in KINDS])


def label(spec):
    """What a peer is called in a result and in every table."""
    return spec.replace(":", " ", 1)


class Session:
    """with: from its namespace and its scratch directory to their end."""

    def __init__(self, out, txbench, peers, cpu, backend_cpu, seed=0, baseline=None, skipped=(),
                 named=True, trial=False):
        self.out, self.txbench, self.peers = out, txbench, peers
        self.cpu, self.backend_cpu, self.seed = cpu, backend_cpu, seed
        self.named = named  # else a peer that does not come up is skipped from there on
        self.status = 0
        self.targets, self.done = {}, set()
        now = time.gmtime()
        self.data = {
            "schema": COMPARE, "complete": False,
            "session": time.strftime("%Y%m%dT%H%M%SZ-", now) + secrets.token_hex(2),
            "command": [os.path.basename(sys.argv[0]), *sys.argv[1:]],
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", now), "seconds": None,
            "trial": trial,  # runs count for which the machine was too busy
            "baseline": baseline, "seed": seed, "load_average": [os.getloadavg()[0]],
            "plan": [], "retries": [], "skipped": [*map(list, skipped)], "files": [],
            "no_result": [], "counters": {}}
        self.began = time.monotonic()
        self.scratch = self.netns = None

    def __enter__(self):
        try:
            # Not on a disk: a guest's memory is a file there.
            shm = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
            self.scratch = tempfile.mkdtemp(prefix=f"txbench-{os.getpid()}-", dir=shm)
            self.netns = Namespace()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        handlers = {number: signal.signal(number, signal.SIG_IGN) for number in SIGNALS}
        for peer in self.peers.values():
            peer.stop()
        if self.netns:
            self.netns.close()
        if self.scratch:
            shutil.rmtree(self.scratch, ignore_errors=True)
        if self.data["plan"]:
            self.data["complete"] = not self.status
            self.data["seconds"] = round(time.monotonic() - self.began)
            self.data["load_average"].append(os.getloadavg()[0])
            self.write()
        for number, handler in handlers.items():
            signal.signal(number, handler)

    def write(self):
        write_json(os.path.join(self.out, "compare.json"), self.data, 1)

    def run(self, jobs, options_of):
        self.data["plan"] = [job.file for job in jobs]
        try:
            for i, job in enumerate(jobs):
                if job.peer in self.peers:
                    progress(f"{i + 1} of {len(jobs)}: {label(job.peer)}, {job.load}, {job.state}")
                    self.run_job(job, options_of(job))
        except Failure as e:
            self.status = 1
            progress("")
            print_error(e)
        except KeyboardInterrupt:
            self.status = INTERRUPTED
        progress("")

    def run_job(self, job, options):
        try:
            while (why := self.measure(job, options)) and job.try_number < TRIES:
                self.data["retries"].append([job.file, why])
                job = job.again()
            if job.file in self.data["files"]:
                self.done.add(job.peer)
            elif job.peer in self.done:
                self.data["no_result"].append([job.file, why])
            else:
                raise Failure(f"{job.peer}, {job.load}: {why}")
        except Failure as e:
            if self.named or job.peer in self.done:
                raise
            self.data["skipped"].append([job.peer, str(e)])
            self.peers.pop(job.peer).stop()
            if self.data["baseline"] == job.peer and self.peers:
                self.data["baseline"] = next(iter(self.peers))

    def wake(self, peer):
        """A peer that died comes up again."""
        if not peer.alive():
            peer.stop()
            self.targets[peer] = peer.start(self.netns, self.backend_cpu, self.scratch)
        peer.freeze(False)
        return self.targets[peer]

    def measure(self, job, options):
        """One try; why it is worth another one, or None."""
        peer = self.peers[job.peer]
        target = self.wake(peer)
        path = os.path.join(self.out, job.file)
        command = [*target.prefix, self.txbench, "run", *target.options, "--wire", target.wire,
                   *options, "--load", job.load, "--size", job.size, "--state", job.state,
                   "--repeat", "1", "--seed", str(self.seed + job.round),
                   "--cpu", str(self.cpu), "--backend-cpu", str(self.backend_cpu),
                   "--label", label(job.peer), "--no-syscalls", "--quiet", "-o", path]
        before = peer.counters()
        try:
            done = subprocess.run(self.netns.inside(*command), stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, timeout=limit(options))
            said = done.stderr.strip()
        except subprocess.TimeoutExpired:
            said = f"txbench did not end within {limit(options):.0f} s"
        after = peer.counters()
        try:
            with open(path, encoding="utf-8") as file:
                failed = json.load(file)["failed"]
        except (OSError, ValueError, KeyError):
            return said.splitlines()[-1] if said else "txbench left no result"
        finally:
            time.sleep(SETTLE_S)
            peer.freeze(True)
        self.data["files"].append(job.file)
        if before and after:
            self.data["counters"][job.file] = {key: n - before[key] for key, n in after.items()}
        self.write()
        return failed if (failed or "").startswith(BUSY) and not self.data["trial"] else None


def write_json(path, data, indent=None):
    """As a whole or not at all."""
    with open(path + ".tmp", "w", encoding="utf-8") as file:
        json.dump(data, file, indent=indent)
        file.write("\n")
    os.rename(path + ".tmp", path)


def limit(options):
    """Of a run, in seconds: what it is told to take, and some more."""
    told = dict(zip(options, options[1:]))
    return RUN_LIMIT_S + sum(float(told.get(key, 0))
                             for key in ("--seconds", "--cost", "--warm-up"))


def progress(text):
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text}")
        sys.stderr.flush()


# The program around it.

def check_machine(txbench):
    why = missing("ip", "taskset", "setpriv")
    if why:
        raise Failure(why)
    if not os.access(txbench, os.X_OK):
        raise Failure(f"there is no {txbench} (--build DIR; ninja -C DIR)")
    if os.geteuid():
        raise Failure("a network namespace with taps needs root")


def choose_cpus(cpu, backend_cpu):
    """(the driver's, the back-ends')"""
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        raise Failure("two CPUs are needed, one for the driver and one for the back-ends")
    if backend_cpu is None:
        backend_cpu = next(c for c in cpus if c != cpu)
    if cpu is None:
        cpu = next(c for c in cpus if c != backend_cpu)
    for name, number in (("cpu", cpu), ("backend-cpu", backend_cpu)):
        if number not in cpus or cpu == backend_cpu:
            raise Failure(f"--{name} {number}: two different ones are needed, of "
                          f"{', '.join(map(str, cpus))}")
    return cpu, backend_cpu


def make_folder(out):
    """A new one, or one that is empty."""
    try:
        os.makedirs(out, exist_ok=True)
        if os.listdir(out):
            raise Failure(f"-o '{out}': this directory is not empty")
    except OSError as e:
        raise Failure(f"-o '{out}': {e.strerror}") from None


def print_error(why):
    print(f"{os.path.basename(sys.argv[0])}: {why}", file=sys.stderr)


def interrupted(*_):
    raise KeyboardInterrupt


def main(function, parse):
    """function(parse()), which returns the exit status, with every failure as one line."""
    for number in SIGNALS:
        signal.signal(number, interrupted)
    try:
        return function(parse())
    except KeyboardInterrupt:
        return INTERRUPTED
    except Skip as e:
        print("skipped:", e)
        return SKIPPED
    except (Failure, BadInput) as e:
        print_error(e)
        return 1
