/* SPDX-License-Identifier: MIT */
/*
 * What txbench says of the machine, against what is known here: CPU time that a child burned,
 * system calls that it made, what a neighbour took. Noise and fingerprint: only that they are
 * possible, as they are this machine's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "bench/txbench/busy.h"
#include "bench/txbench/company.h"
#include "bench/txbench/cpu.h"
#include "bench/txbench/host.h"
#include "bench/txbench/moment.h"
#include "bench/txbench/noise.h"
#include "bench/txbench/others.h"
#include "bench/txbench/usage.h"

#define MS 1000000ULL

#define SYSCALLS 10000
#define STARTS   10

static const struct usage_target nobody;
static struct usage_target self;

static uint64_t cpu_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* Of the calling thread's CPU time; a look at the clock is a system call, so seldom. */
static void burn(uint64_t ns)
{
	uint64_t end = cpu_ns(CLOCK_THREAD_CPUTIME_ID) + ns;
	volatile unsigned n;

	do {
		for (n = 0; n < 200000; n++)
			;
	} while (cpu_ns(CLOCK_THREAD_CPUTIME_ID) < end);
}

static void *burn_300(void *arg)
{
	burn(300 * MS);
	return arg;
}

static void *call_often(void *arg)
{
	for (unsigned i = 0; i < SYSCALLS; i++)
		syscall(SYS_getppid);
	return arg;
}

static void in_thread(void *(*run)(void *arg))
{
	pthread_t thread;

	pthread_create(&thread, NULL, run, NULL);
	pthread_join(thread, NULL);
}

/* 300 ms in a thread that is gone then, and 100 ms. */
static void burn_400(void)
{
	in_thread(burn_300);
	burn(100 * MS);
}

/* A child that runs fn once it is told to, tells, and sleeps then. */
struct child {
	struct usage_target who;
	int tell, told;
};

static void child_main(int told, int tell, void (*fn)(void))
{
	char c;

	prctl(PR_SET_PDEATHSIG, SIGKILL); /* if a test fails */
	if (read(told, &c, 1) != 1)
		_exit(1);
	fn();
	if (write(tell, "x", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

static struct child child_start(void (*fn)(void))
{
	int to[2], from[2];
	struct child c = { 0 };

	assert_int_equal(pipe(to), 0);
	assert_int_equal(pipe(from), 0);
	c.who.pid = fork();
	assert_true(c.who.pid >= 0);
	if (!c.who.pid)
		child_main(to[0], from[1], fn);
	close(to[0]);
	close(from[1]);
	c.tell = to[1];
	c.told = from[0];
	return c;
}

/* Until it sleeps again. */
static void child_run(const struct child *c)
{
	char done;

	assert_int_equal(write(c->tell, "x", 1), 1);
	assert_int_equal(read(c->told, &done, 1), 1);
	usleep(20000);
}

static void child_end(const struct child *c)
{
	kill(c->who.pid, SIGKILL);
	waitpid(c->who.pid, NULL, 0);
	close(c->tell);
	close(c->told);
}

static void assert_between(uint64_t v, uint64_t low, uint64_t high)
{
	if (v < low || v > high)
		fail_msg("%llu is not in %llu .. %llu", (unsigned long long)v,
			 (unsigned long long)low, (unsigned long long)high);
}

/* The back-end's time counts, also that of threads that are gone. */
static void test_backend(void **state)
{
	struct child c = child_start(burn_400);
	struct usage before, after;

	(void)state;
	assert_int_equal(usage_take(&before, &c.who), 0);
	child_run(&c);
	assert_int_equal(usage_take(&after, &c.who), 0);
	usage_subtract(&after, &before);
	child_end(&c);
	assert_between(after.backend_ns, 400 * MS, 430 * MS);
	assert_between(after.driver_ns, 0, 20 * MS); /* it waited for the child */
	assert_between(after.wall_ns, 400 * MS, 60000 * MS);
}

/* 200 ms on a CPU that another process wants for as long. */
static void burn_beside_another(void)
{
	cpu_set_t cpu;
	pid_t other;

	CPU_ZERO(&cpu);
	CPU_SET((unsigned)sched_getcpu(), &cpu);
	sched_setaffinity(0, sizeof(cpu), &cpu);
	other = fork();
	burn(200 * MS);
	if (!other)
		_exit(0);
	waitpid(other, NULL, 0);
}

static void test_backend_waits(void **state)
{
	struct child c = child_start(burn_beside_another);
	struct usage before, after;

	(void)state;
	assert_int_equal(usage_take(&before, &c.who), 0);
	child_run(&c);
	assert_int_equal(usage_take(&after, &c.who), 0);
	usage_subtract(&after, &before);
	child_end(&c);
	assert_between(after.backend_waited_ns, 100 * MS, after.wall_ns);
}

/* The driver's own time, without a back-end; and no process is an error. */
static void test_driver(void **state)
{
	struct child c = child_start(burn_400);
	struct usage before, after;

	(void)state;
	assert_int_equal(usage_take(&before, &nobody), 0);
	burn(50 * MS);
	assert_int_equal(usage_take(&after, &nobody), 0);
	usage_subtract(&after, &before);
	assert_between(after.driver_ns, 50 * MS, 70 * MS);
	assert_true(after.backend_ns == 0);
	child_end(&c);
	assert_int_equal(usage_take(&after, &c.who), -ESRCH);
	assert_int_equal(usage_syscalls_start(&c.who) < 0, 1);
}

/* What a wake-up takes by itself is no waiting; a process that is gone has not run backwards. */
static void test_subtract(void **state)
{
	struct usage from = { .backend_ns = 1000,
			      .backend_waited_ns = 1000000,
			      .backend_turns = 7 };
	struct usage u = { .backend_ns = 5000, .backend_waited_ns = 2000000, .backend_turns = 107 };
	const struct usage stolen = { .steal_ns = 500, .wall_ns = 1000 };
	struct usage gone = { 0 };

	(void)state;
	usage_subtract(&u, &from);
	assert_true(u.backend_ns == 4000);
	assert_true(u.backend_waited_ns == 600000);
	usage_subtract(&gone, &from);
	assert_true(gone.backend_ns == 0 && gone.backend_waited_ns == 0);
	assert_true(usage_steal_share(&stolen) * (double)sysconf(_SC_NPROCESSORS_ONLN) == 0.5);
}

/* A thread as the target: only its own time. */
static void *take_own_usage(void *arg)
{
	struct usage_target who = { getpid(), gettid() };
	struct usage before;

	assert_int_equal(usage_take(&before, &who), 0);
	burn(50 * MS);
	assert_int_equal(usage_take(arg, &who), 0);
	usage_subtract(arg, &before);
	return NULL;
}

static void test_thread(void **state)
{
	struct usage u;
	pthread_t thread;

	(void)state;
	pthread_create(&thread, NULL, take_own_usage, &u);
	burn(200 * MS);
	pthread_join(thread, NULL);
	assert_between(u.backend_ns, 50 * MS, 70 * MS);
}

static void call_often_twice(void)
{
	call_often(NULL);
	in_thread(call_often);
}

/* Each system call once, of threads that are there and of those that come. */
static void test_syscalls(void **state)
{
	struct child c = child_start(call_often_twice);
	int handle = usage_syscalls_start(&c.who);
	uint64_t n;

	(void)state;
	if (handle < 0) {
		child_end(&c);
		print_message("the kernel does not let us count: %s\n", strerror(-handle));
		skip();
	}
	assert_int_equal(usage_syscalls_start(&c.who), -EBUSY);
	child_run(&c);
	n = usage_syscalls_stop(handle);
	child_end(&c);
	assert_between(n, 2 * SYSCALLS, 2 * SYSCALLS + 60);
}

/* The time without a gap that a child saw pass: it wants a CPU for as long as the test runs. */
static uint64_t *seen_ns;

static void want_the_cpu(void)
{
	uint64_t last_ns = cpu_ns(CLOCK_MONOTONIC), now_ns, seen = 0;

	setsid();
	for (;;) {
		now_ns = cpu_ns(CLOCK_MONOTONIC);
		if (now_ns - last_ns < 1000)
			__atomic_store_n(seen_ns, seen += now_ns - last_ns, __ATOMIC_RELAXED);
		last_ns = now_ns;
	}
}

/* What a company lost in 400 ms beside that child, its CPU time, and what the child had and saw. */
struct kept {
	struct company_loss loss;
	uint64_t had_least_ns, had_most_ns; /* by the scheduler's account */
	uint64_t child_had_ns, child_saw_ns;
};

static void watch_company(const struct company *c, pid_t child, struct kept *k)
{
	struct company_loss before;
	uint64_t had_ns[4];
	clockid_t clock, of_child;

	assert_int_equal(clock_getcpuclockid(c->pid, &clock), 0);
	assert_int_equal(clock_getcpuclockid(child, &of_child), 0);
	k->child_saw_ns = __atomic_load_n(seen_ns, __ATOMIC_RELAXED);
	k->child_had_ns = cpu_ns(of_child);
	had_ns[0] = cpu_ns(clock);
	company_take(c, &before);
	had_ns[1] = cpu_ns(clock);
	usleep(400000);
	had_ns[2] = cpu_ns(clock);
	company_take(c, &k->loss);
	had_ns[3] = cpu_ns(clock);
	k->child_had_ns = cpu_ns(of_child) - k->child_had_ns;
	k->child_saw_ns = __atomic_load_n(seen_ns, __ATOMIC_RELAXED) - k->child_saw_ns;
	company_subtract(&k->loss, &before);
	k->had_least_ns = had_ns[2] - had_ns[1];
	k->had_most_ns = had_ns[3] - had_ns[0];
}

/*
 * An interrupt is CPU time of the process that it interrupted, and so is what a hypervisor takes:
 * the scheduler's account tells neither. How much it is here, as a share of the time, is told by
 * the child, not by the company, which is what is tested.
 */
static double taken_share(const struct kept *k)
{
	return 1 - (double)k->child_saw_ns / (double)k->child_had_ns;
}

static struct kept keep_company(enum state state)
{
	struct child busy;
	struct company c;
	struct kept k = { 0 };
	double both_ns;
	cpu_set_t all;
	int cpu;

	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	assert_int_equal(host_cpus_of(&self, &cpu, 1), 1);
	assert_int_equal(cpu_pin(cpu), 0);
	seen_ns = mmap(NULL, sizeof(*seen_ns), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	assert_ptr_not_equal(seen_ns, MAP_FAILED);
	busy = child_start(want_the_cpu);
	sched_setaffinity(0, sizeof(all), &all);
	assert_int_equal(company_start(&c, state, cpu), 0);
	assert_int_equal(sched_getscheduler(c.pid),
			 state == STATE_SPINNER ? SCHED_IDLE : SCHED_OTHER);
	assert_int_equal(write(busy.tell, "x", 1), 1);
	usleep(50000);
	for (unsigned i = 0; i < 8 && !(i && taken_share(&k) < .1); i++)
		watch_company(&c, busy.who.pid, &k);
	company_stop(&c);
	company_stop(&c);
	child_end(&busy);
	munmap(seen_ns, sizeof(*seen_ns));
	both_ns = (double)(k.loss.lost_ns + k.had_least_ns);
	assert_between(k.loss.lost_ns + k.had_most_ns, k.loss.wall_ns - 5 * MS, UINT64_MAX);
	assert_true(both_ns <= (double)k.loss.wall_ns * (1.05 + 2 * taken_share(&k)));
	return k;
}

/* It says what the scheduler says: what was not its CPU time was lost, about half of all. */
static void test_neighbour(void **state)
{
	struct kept k = keep_company(STATE_NEIGHBOUR);

	(void)state;
	assert_between(k.loss.lost_ns, k.loss.wall_ns / 3, k.loss.wall_ns);
	assert_true(k.loss.times > 10);
}

/* A spinner has next to nothing of a CPU that somebody else wants, in whatever session. */
static void test_spinner(void **state)
{
	struct kept k = keep_company(STATE_SPINNER);

	(void)state;
	assert_between(k.loss.lost_ns, k.loss.wall_ns - k.loss.wall_ns / 12, k.loss.wall_ns);
}

static void take_the_cpu(void)
{
	int fd;

	setsid();
	fd = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, "-17", 3) != 3)
		print_message("a session of the usual weight: this test needs root\n");
	for (;;)
		;
}

/* A spinner begins and ends, within a second each, where another session takes the whole CPU. */
static void test_spinner_starts(void **state)
{
	struct company c;
	uint64_t began_ns, took_ns;
	struct child hog;
	cpu_set_t all;
	int cpu;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	assert_int_equal(host_cpus_of(&self, &cpu, 1), 1);
	assert_int_equal(cpu_pin(cpu), 0);
	hog = child_start(take_the_cpu);
	sched_setaffinity(0, sizeof(all), &all);
	assert_int_equal(write(hog.tell, "x", 1), 1);
	usleep(50000);
	began_ns = cpu_ns(CLOCK_MONOTONIC);
	for (unsigned i = 0; i < STARTS; i++) {
		assert_int_equal(company_start(&c, STATE_SPINNER, cpu), 0);
		company_stop(&c);
	}
	took_ns = cpu_ns(CLOCK_MONOTONIC) - began_ns;
	child_end(&hog);
	assert_between(took_ns, 0, STARTS * 1000 * MS);
}

static void test_no_company(void **state)
{
	struct company_loss loss;
	struct company c;

	(void)state;
	assert_int_equal(company_start(&c, STATE_IDLE, 0), 0);
	company_take(&c, &loss);
	assert_true(loss.wall_ns == 0);
	company_stop(&c);
	assert_int_equal(company_start(&c, STATE_SPINNER, CPU_SETSIZE - 1), -EPERM);
}

/* A CPU is busy for as long as somebody burned time there, at least. */
static void test_busy(void **state)
{
	struct busy before, after;
	uint64_t busy_ns, ns;
	cpu_set_t all;
	int cpu;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	assert_int_equal(host_cpus_of(&self, &cpu, 1), 1);
	busy_take(&before, cpu);
	if (!before.exact) {
		print_message("needs root, for /proc/timer_list\n");
		skip();
	}
	assert_int_equal(cpu_pin(cpu), 0);
	burn(100 * MS);
	usleep(100000);
	sched_setaffinity(0, sizeof(all), &all);
	busy_take(&after, cpu);
	assert_true(busy_between(&before, &after, &busy_ns));
	ns = after.from_ns - before.to_ns;
	assert_between(busy_ns, 100 * MS, ns);

	after.exact = before.exact = false;
	assert_false(busy_between(&before, &after, &busy_ns));
	after.from_ns = before.to_ns + 20000 * MS;
	after.idle_ns = before.idle_ns + 19000 * MS;
	assert_true(busy_between(&before, &after, &busy_ns));
	assert_true(busy_ns == 1000 * MS);
}

/* A child on that CPU, stopped before it burns so much, and again when it has. */
static pid_t burner(int cpu, uint64_t ns)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (cpu_pin(cpu))
			_exit(1);
		raise(SIGSTOP);
		burn(ns);
		raise(SIGSTOP);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
	return pid;
}

/* A child that burned 50 ms there is somebody else, unless it is one of ours. */
static void test_others(void **state)
{
	struct others before, after;
	pid_t none[] = { 0 }, mine[] = { 0, 0 };
	uint64_t without;
	int cpu, status;

	(void)state;
	assert_int_equal(host_cpus_of(&self, &cpu, 1), 1);
	mine[0] = burner(cpu, 50 * MS);
	assert_int_equal(others_take(&before), 0);
	kill(mine[0], SIGCONT);
	assert_int_equal(waitpid(mine[0], &status, WUNTRACED), mine[0]);
	assert_int_equal(others_take(&after), 0);
	without = others_between(&before, &after, cpu, mine);
	assert_true(others_between(&before, &after, cpu, none) >= without + 50 * MS);
	/* Nothing ran on a CPU that is not there. */
	assert_int_equal(others_between(&before, &after, 4000, none), 0);
	kill(mine[0], SIGCONT);
	assert_int_equal(waitpid(mine[0], &status, 0), mine[0]);
	others_free(&before);
	others_free(&after);
	others_free(&after);
}

/* What came and went between two moments is others' time, too. */
static void test_moment(void **state)
{
	const struct company none = { 0 };
	struct usage_target backend = { 0 };
	struct moment_of of = { &backend, &none, STATE_IDLE, -1, -1 };
	struct repetition *rep = calloc(1, sizeof(*rep));
	struct moment before, after;
	int status;
	pid_t pid;

	(void)state;
	assert_non_null(rep);
	assert_int_equal(host_cpus_of(&self, &of.backend_cpu, 1), 1);
	if (!others_and_mine_ns(of.backend_cpu)) {
		free(rep);
		print_message("needs a cpuacct control group (version 1)\n");
		skip();
	}
	backend.pid = burner(of.backend_cpu, 5 * MS);
	moment_begin(&before, &of);
	kill(backend.pid, SIGCONT);
	assert_int_equal(waitpid(backend.pid, &status, WUNTRACED), backend.pid);
	pid = burner(of.backend_cpu, 50 * MS);
	kill(pid, SIGCONT);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	kill(pid, SIGCONT);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	moment_end(&after, &of);
	moment_account(&before, &after, &of, rep, true);
	assert_true(rep->usage.backend_ns >= 5 * MS);
	assert_true(rep->cost.others_ns >= 50 * MS);
	assert_true(rep->cost.observed);
	kill(backend.pid, SIGCONT);
	assert_int_equal(waitpid(backend.pid, &status, 0), backend.pid);
	free(rep);
}

static void assert_late(const struct timings *t)
{
	assert_between(t->histogram.n, 20, 1000);
	assert_between(t->histogram.min, 100, 10000 * MS);
	assert_between(t->sum_ns, t->histogram.n * t->histogram.min,
		       t->histogram.n * t->histogram.max);
}

/* Possible figures, with two CPUs and with one. */
static void test_noise(void **state)
{
	int cpus[2], n = (int)host_cpus_of(&self, cpus, 2);
	int other = cpus[n - 1];
	struct noise noise = { 0 };
	cpu_set_t before;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	assert_int_equal(cpu_pin(cpus[0]), 0);
	assert_true(noise_c2c_ns(cpus[0], cpus[0]) == 0);
	assert_true(noise_c2c_ns(cpus[0], -1) == 0);
	if (n > 1)
		assert_between((uint64_t)noise_c2c_ns(cpus[0], other), 5, 100000);
	noise_measure(&noise, cpus[0], cpus[0], 0, false, UINT64_MAX);
	assert_late(&noise.wake_up);
	assert_late(&noise.timer);
	/* A load that leaves 10 ms each time leaves time for no more of them. */
	noise_measure(&noise, cpus[0], other, 1e7, true, UINT64_MAX);
	assert_between(noise.wake_up.histogram.n, 20, 60);
	noise_measure(&noise, cpus[0], other, 1e9, true, UINT64_MAX);
	assert_late(&noise.wake_up);
	assert_late(&noise.timer);
	sched_setaffinity(0, sizeof(before), &before);
}

/* The fingerprint names this kernel, this program and its CPUs. */
static void test_host(void **state)
{
	cpu_set_t before;
	struct utsname uts;
	char args[4096], kind[32];
	struct host h;
	int cpus[CPU_SETSIZE];

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	assert_int_equal(host_cpus_of(&self, cpus, CPU_SETSIZE), CPU_COUNT(&before));
	assert_int_equal(cpu_pin(cpus[0]), 0);
	host_take(&h);
	assert_int_equal(h.driver_cpu, cpus[0]);
	assert_int_equal(host_cpus_of(&self, cpus, CPU_SETSIZE), 1);
	sched_setaffinity(0, sizeof(before), &before);
	uname(&uts);
	assert_string_equal(h.kernel, uts.release);
	assert_true(h.cpus >= (unsigned)CPU_COUNT(&before));
	assert_true(h.clocksource[0]);

	assert_true(host_command(getpid(), args, sizeof(args)) > 0);
	assert_non_null(strstr(args, "txbench_machine_test"));
	assert_int_equal(host_command(0, args, sizeof(args)), 0);
	host_interface_kind("no such one", kind, sizeof(kind));
	assert_string_equal(kind, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_backend),        cmocka_unit_test(test_backend_waits),
		cmocka_unit_test(test_driver),         cmocka_unit_test(test_subtract),
		cmocka_unit_test(test_thread),         cmocka_unit_test(test_syscalls),
		cmocka_unit_test(test_neighbour),      cmocka_unit_test(test_spinner),
		cmocka_unit_test(test_spinner_starts), cmocka_unit_test(test_no_company),
		cmocka_unit_test(test_busy),           cmocka_unit_test(test_others),
		cmocka_unit_test(test_moment),         cmocka_unit_test(test_noise),
		cmocka_unit_test(test_host),
	};

	self.pid = getpid();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
