/* SPDX-License-Identifier: MIT */
/*
 * What txbench says of the machine, against what is known here: CPU time that a child burned in
 * user space and in the kernel, system calls that it made. Noise and fingerprint: only that they
 * are possible, as they are this machine's.
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
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "bench/txbench/host.h"
#include "bench/txbench/noise.h"
#include "bench/txbench/usage.h"

#define MS 1000000ULL

#define SYSCALLS 10000

static uint64_t cpu_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* Of the calling thread's CPU time; a look at the clock is a system call, so seldom. */
static void burn_user(uint64_t ns)
{
	uint64_t end = cpu_ns(CLOCK_THREAD_CPUTIME_ID) + ns;
	volatile unsigned n;

	do {
		for (n = 0; n < 200000; n++)
			;
	} while (cpu_ns(CLOCK_THREAD_CPUTIME_ID) < end);
}

static void burn_kernel(uint64_t ns)
{
	static char bytes[1 << 20];
	uint64_t end = cpu_ns(CLOCK_THREAD_CPUTIME_ID) + ns;
	int fd = open("/dev/zero", O_RDONLY);

	while (cpu_ns(CLOCK_THREAD_CPUTIME_ID) < end) {
		if (read(fd, bytes, sizeof(bytes)) < 0)
			break;
	}
	close(fd);
}

static void *burn_300_user(void *arg)
{
	burn_user(300 * MS);
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

/* 300 ms in user space, in a thread that is gone then; 100 ms in the kernel. */
static void burn(void)
{
	in_thread(burn_300_user);
	burn_kernel(100 * MS);
}

/* A child that runs fn once it is told to, tells, and sleeps then. */
struct child {
	pid_t pid;
	int tell, told;
};

static void child_main(int told, int tell, void (*fn)(void))
{
	char c;

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
	struct child c;

	assert_int_equal(pipe(to), 0);
	assert_int_equal(pipe(from), 0);
	c.pid = fork();
	assert_true(c.pid >= 0);
	if (!c.pid)
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
	kill(c->pid, SIGKILL);
	waitpid(c->pid, NULL, 0);
	close(c->tell);
	close(c->told);
}

static void assert_between(uint64_t v, uint64_t low, uint64_t high)
{
	if (v < low || v > high)
		fail_msg("%llu is not in %llu .. %llu", (unsigned long long)v,
			 (unsigned long long)low, (unsigned long long)high);
}

/* The back-end's time counts as a whole and by its kind, also that of threads that are gone. */
static void test_backend(void **state)
{
	struct child c = child_start(burn);
	struct usage before, after;

	(void)state;
	assert_int_equal(usage_take(&before, c.pid), 0);
	child_run(&c);
	assert_int_equal(usage_take(&after, c.pid), 0);
	usage_subtract(&after, &before);
	child_end(&c);
	assert_between(after.backend_ns, 400 * MS, 430 * MS);
	assert_between(after.backend_user_ns, 250 * MS, 350 * MS);
	assert_between(after.backend_kernel_ns, 50 * MS, 150 * MS);
	assert_true(after.backend_user_ns + after.backend_kernel_ns == after.backend_ns);
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
	burn_user(200 * MS);
	if (!other)
		_exit(0);
	waitpid(other, NULL, 0);
}

static void test_backend_waits(void **state)
{
	struct child c = child_start(burn_beside_another);
	struct usage before, after;

	(void)state;
	assert_int_equal(usage_take(&before, c.pid), 0);
	child_run(&c);
	assert_int_equal(usage_take(&after, c.pid), 0);
	usage_subtract(&after, &before);
	child_end(&c);
	assert_between(after.backend_waited_ns, 100 * MS, after.wall_ns);
}

/* The driver's own time, without a back-end; and no process is an error. */
static void test_driver(void **state)
{
	struct child c = child_start(burn);
	struct usage before, after;

	(void)state;
	assert_int_equal(usage_take(&before, 0), 0);
	burn_user(50 * MS);
	assert_int_equal(usage_take(&after, 0), 0);
	usage_subtract(&after, &before);
	assert_between(after.driver_ns, 50 * MS, 70 * MS);
	assert_true(after.backend_ns == 0);
	child_end(&c);
	assert_int_equal(usage_take(&after, c.pid), -ESRCH);
	assert_int_equal(usage_syscalls_start(c.pid) < 0, 1);
}

/* The parts are sampled and the sum is exact: their ratio is kept, a difference of sums is not. */
static void test_subtract(void **state)
{
	struct usage from = { .backend_ns = 1000,
			      .backend_user_ns = 70,
			      .backend_kernel_ns = 20,
			      .backend_waited_ns = 1000000,
			      .backend_turns = 7 };
	struct usage u = { .backend_ns = 5000,
			   .backend_user_ns = 100,
			   .backend_kernel_ns = 30,
			   .backend_waited_ns = 2000000,
			   .backend_turns = 107 };
	const struct usage stolen = { .steal_ns = 500, .wall_ns = 1000 };

	(void)state;
	usage_subtract(&u, &from);
	assert_true(u.backend_ns == 4000);
	assert_true(u.backend_user_ns == 3000);
	assert_true(u.backend_kernel_ns == 1000);
	/* A wake-up takes 4 us by itself. */
	assert_true(u.backend_waited_ns == 600000);
	usage_subtract(&u, &u);
	assert_true(u.backend_user_ns == 0 && u.backend_kernel_ns == 0);
	assert_true(usage_steal_share(&stolen) * (double)sysconf(_SC_NPROCESSORS_ONLN) == 0.5);
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
	int handle = usage_syscalls_start(c.pid);
	uint64_t n;

	(void)state;
	if (handle < 0) {
		child_end(&c);
		print_message("the kernel does not let us count: %s\n", strerror(-handle));
		skip();
	}
	assert_int_equal(usage_syscalls_start(c.pid), -EBUSY);
	child_run(&c);
	n = usage_syscalls_stop(handle);
	child_end(&c);
	assert_between(n, 2 * SYSCALLS, 2 * SYSCALLS + 60);
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((unsigned)cpu, &set);
	assert_int_equal(sched_setaffinity(0, sizeof(set), &set), 0);
}

static void assert_late(const struct noise_late *l)
{
	assert_between(l->p50_ns, 100, 100 * MS);
	if (l->p99_ns)
		assert_between(l->p99_ns, l->p50_ns, 1000 * MS);
	if (l->p999_ns)
		assert_between(l->p999_ns, l->p99_ns, 10000 * MS);
}

/* Possible figures, with two CPUs and with one. */
static void test_noise(void **state)
{
	int cpus[2], n = (int)host_cpus_of(getpid(), cpus, 2);
	int other = cpus[n - 1];
	struct noise noise = { 0 };
	cpu_set_t before;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	pin(cpus[0]);
	assert_true(noise_c2c_ns(cpus[0], cpus[0]) == 0);
	assert_true(noise_c2c_ns(cpus[0], -1) == 0);
	if (n > 1)
		assert_between((uint64_t)noise_c2c_ns(cpus[0], other), 5, 100000);
	noise_measure(&noise, cpus[0], cpus[0]);
	assert_late(&noise.wake_up);
	assert_late(&noise.timer);
	noise_measure(&noise, cpus[0], other);
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
	assert_int_equal(host_cpus_of(getpid(), cpus, CPU_SETSIZE), CPU_COUNT(&before));
	pin(cpus[0]);
	host_take(&h);
	assert_int_equal(h.driver_cpu, cpus[0]);
	assert_int_equal(host_cpus_of(getpid(), cpus, CPU_SETSIZE), 1);
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
		cmocka_unit_test(test_backend),  cmocka_unit_test(test_backend_waits),
		cmocka_unit_test(test_driver),   cmocka_unit_test(test_subtract),
		cmocka_unit_test(test_syscalls), cmocka_unit_test(test_noise),
		cmocka_unit_test(test_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
