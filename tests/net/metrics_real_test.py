#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""usage: run.sh metrics_real_test.py TXRINGCTL TXRINGD TXBENCH ALERTS DASHBOARD
txringctl metrics of a txringd that has frames to move: what it writes while they move, which promtool judges, histograms
whose buckets add up, and that what alerts and panels ask for is there.
"""
import os
import re
import shutil
import subprocess
import sys
import time
import unittest
import urllib.request

TXRINGCTL, TXRINGD, TXBENCH, ALERTS, DASHBOARD = sys.argv[1:6]
DIR = os.environ["TMPDIR"]
PATIENCE = 60
CONTROL, SOCKET = f"{DIR}/vm0.ctl", f"{DIR}/vm0.sock"
SAMPLE = re.compile(r'(txring_\w+)\{([^}]*)\} ([0-9.]+)')
OF_TX = 'daemon="vm0",nic="nic0",pair="0"'


def wait_for(true, what):
    end = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > end:
            raise AssertionError("no " + what)
        time.sleep(0.05)


def metrics(*arguments):
    said = subprocess.run([TXRINGCTL, "metrics", "--control", CONTROL, *arguments], capture_output=True, text=True,
                          timeout=PATIENCE)
    assert (said.returncode, said.stderr) == (0, ""), said
    return said.stdout


def samples(text):
    """{(name, labels): value}; each may be there once."""
    found = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        sample = SAMPLE.fullmatch(line)
        assert sample, line
        key = sample[1], sample[2]
        assert key not in found, line
        found[key] = float(sample[3])
    return found


def buckets(found):
    """{(name, labels but le): [(le, n), ...]}, in the order of the text."""
    histograms = {}
    for (name, labels), n in found.items():
        if name.endswith("_bucket"):
            labels, le = labels.rsplit(',le="', 1)
            histograms.setdefault((name, labels), []).append((float(le[:-1]), n))
    return histograms


class Real(unittest.TestCase):
    """One txringd for all: timer on a tap, whose frames txbench sends, and a card that nobody is at."""

    @classmethod
    def setUpClass(cls):
        cls.log = open(f"{DIR}/log", "w+")
        cls.txringd = subprocess.Popen(
            [TXRINGD, "--control", CONTROL, "--socket-path", SOCKET, "--backend", "tap:txrm0", "--txmode", "timer",
             "--vhost", "disable", "--nic", "--socket-path", f"{DIR}/vm1.sock", "--backend", "null"], stderr=cls.log)
        cls.addClassCleanup(cls.end)
        wait_for(lambda: os.path.exists(CONTROL), "control socket")
        subprocess.run(["ip", "link", "set", "txrm0", "up"], check=True)
        cls.before = metrics("--format", "prometheus")
        bench = subprocess.Popen(
            [TXBENCH, "run", "--socket-path", SOCKET, "--wire", "none", "--state", "same-cpu", "--seconds", "2",
             "--warm-up", "0.02", "--repeat", "1", "--no-syscalls"], stdout=cls.log, stderr=cls.log)
        try:
            wait_for(lambda: samples(metrics())[("txring_tx_frames_total", OF_TX)] > 100, "frames")
            cls.during = [metrics("--format", "prometheus") for _ in range(10)]
        finally:
            bench.wait(PATIENCE)
        wait_for(lambda: 'connected{daemon="vm0",nic="nic0"} 0' in metrics(), "end of the front-end")
        cls.after = metrics("--format", "prometheus")

    @classmethod
    def end(cls):
        cls.txringd.terminate()
        cls.txringd.wait(PATIENCE)
        cls.log.close()

    def test_promtool_takes_it(self):
        if not shutil.which("promtool"):
            self.skipTest("promtool is missing: apt-get install prometheus")
        for text in self.before, self.during[0], self.after:
            said = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True,
                                  timeout=PATIENCE)
            self.assertEqual((said.returncode, said.stdout, said.stderr), (0, "", ""))

    def test_counters_never_fall(self):
        last = {}
        for text in [self.before, *self.during, self.after]:
            now = {key: n for key, n in samples(text).items() if key[0].endswith(("_total", "_bucket"))}
            for key, n in last.items():
                self.assertGreaterEqual(now[key], n, key)
            last = now

    def test_buckets_add_up(self):
        for text in [*self.during, self.after]:
            histograms = buckets(samples(text))
            for ring in histograms.values():
                self.assertEqual(ring, sorted(ring))
                self.assertEqual([n for _, n in ring], sorted(n for _, n in ring))
                self.assertEqual(ring[-1][0], float("inf"))
            for name in "residence_seconds", "batch_frames", "wake_seconds", "late_seconds", "run_seconds":
                self.assertGreater(histograms[(f"txring_tx_{name}_bucket", OF_TX)][-1][1], 0)

    def test_each_frame_is_in_a_bucket_and_has_waited_for_the_delay(self):
        found = samples(self.after)
        residence = buckets(found)[("txring_tx_residence_seconds_bucket", OF_TX)]
        frames = sum(n for (name, labels), n in found.items()
                     if name in ("txring_tx_frames_total", "txring_tx_drops_total") and labels.startswith(OF_TX))
        self.assertEqual(residence[-1][1], frames)
        late = dict(residence)
        self.assertLess(late[2**16 / 1e9], frames / 2) # 65 us, where the delay is 150

    def test_alerts_and_panels_ask_for_what_there_is(self):
        there = {name for name, _ in samples(self.after)}
        for path in ALERTS, DASHBOARD:
            with open(path) as file:
                asked = set(re.findall(r"\btxring_\w+", file.read()))
            self.assertTrue(asked)
            self.assertEqual(asked - there, set(), path)

    def test_all_that_show_counts_is_there(self):
        said = subprocess.run([TXRINGCTL, "--control", CONTROL, "show", "nic0"], capture_output=True, text=True,
                              timeout=PATIENCE, check=True).stdout
        found = samples(self.after)
        for ring in "tx", "rx":
            counters = re.findall(r"(\w+)=(\d+)", re.search(rf"{ring}0 (.*)", said)[1])
            self.assertGreater(len(counters), 10)
            for name, value in counters:
                key = (f"txring_{ring}_{name}_total", OF_TX)
                if name.startswith("drop_"):
                    key = (f"txring_{ring}_drops_total", f'{OF_TX},reason="{name[5:]}"')
                self.assertEqual(found[key], int(value), name)

    def test_a_file_and_http_say_the_same(self):
        path = f"{DIR}/txring.prom"
        metrics("--output", path)
        with open(path) as file:
            names = samples(file.read()).keys()
        served = subprocess.Popen([TXRINGCTL, "metrics", "--control", CONTROL, "--listen", "127.0.0.1:0"],
                                  stderr=subprocess.PIPE, text=True)
        try:
            url = re.search(r"http://\S+", served.stderr.readline())[0]
            with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
                self.assertEqual(samples(answer.read().decode()).keys(), names)
        finally:
            served.terminate()
            served.stderr.close()
            self.assertEqual(served.wait(PATIENCE), 0)
        self.assertEqual(samples(metrics("--format", "openmetrics")).keys(), names)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], warnings="ignore")
