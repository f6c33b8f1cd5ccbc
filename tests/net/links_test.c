/* SPDX-License-Identifier: MIT */
/* When txringd looks at the host's interfaces. Runs in a network namespace of its own. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "tests/net/peer.h"
#include "tools/txringd/links.h"

static struct links links;

static int set_up(void **state)
{
	(void)state;
	return links_init(&links);
}

static int tear_down(void **state)
{
	(void)state;
	links_deinit(&links);
	return 0;
}

static bool readable(void)
{
	struct pollfd p = { .fd = links_fd(&links), .events = POLLIN };

	return poll(&p, 1, 100) == 1;
}

/* On a host where nothing happens it costs no wake-up. */
static void sleeps(void **state)
{
	(void)state;
	assert_false(readable());
	assert_int_equal(links_timeout_ms(&links, 1000), -1);
	assert_false(links_serve(&links, true, 1000));
	assert_int_equal(links_timeout_ms(&links, 1000), -1);
}

/* Many changes are one look, and one that follows them is not forgotten. */
static void looks_once_for_many(void **state)
{
	(void)state;
	peer_ip("link add txringa type veth peer name txringb");
	peer_ip("link set txringa up");
	assert_true(readable());
	assert_false(links_serve(&links, true, 1000));
	assert_false(readable());
	assert_int_equal(links_timeout_ms(&links, 1020), LINKS_QUIET_MS - 20);
	peer_ip("link set txringa down");
	assert_false(links_serve(&links, true, 1020));
	assert_int_equal(links_timeout_ms(&links, 1020), LINKS_QUIET_MS - 20);
	assert_true(links_serve(&links, false, 1000 + LINKS_QUIET_MS));
	assert_int_equal(links_timeout_ms(&links, 2000), -1);
	peer_ip("link del txringa");
	assert_true(readable());
	assert_false(links_serve(&links, true, 2000));
	assert_true(links_serve(&links, false, 2000 + LINKS_QUIET_MS));
}

/* More than the kernel keeps for us: what was lost may have been what mattered. */
static void looks_after_an_overrun(void **state)
{
	int size = 1;

	(void)state;
	assert_int_equal(setsockopt(links_fd(&links), SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)),
			 0);
	for (int i = 0; i < 8; i++)
		peer_ip("link add txringa type veth peer name txringb; ip link del txringa");
	assert_true(readable());
	assert_false(links_serve(&links, true, 0));
	assert_false(readable());
	assert_true(links_serve(&links, false, LINKS_QUIET_MS));
}

/* While something is lost it looks from time to time, and at once when something happens. */
static void retries(void **state)
{
	(void)state;
	links_retry(&links, 1000);
	assert_int_equal(links_timeout_ms(&links, 1000), LINKS_RETRY_MS);
	assert_false(links_serve(&links, false, 1999));
	assert_true(links_serve(&links, false, 2000));
	links_retry(&links, 2000);
	peer_ip("link add txringa type veth peer name txringb");
	assert_true(readable());
	assert_false(links_serve(&links, true, 2100));
	assert_true(links_serve(&links, false, 2100 + LINKS_QUIET_MS));
	peer_ip("link del txringa");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(sleeps, set_up, tear_down),
		cmocka_unit_test_setup_teardown(looks_once_for_many, set_up, tear_down),
		cmocka_unit_test_setup_teardown(looks_after_an_overrun, set_up, tear_down),
		cmocka_unit_test_setup_teardown(retries, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
