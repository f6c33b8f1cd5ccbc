/* SPDX-License-Identifier: MIT */
/* A queue under a mutex, which the thread does not hold while it closes; see closer.h. */
#include "tools/txringd/closer.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* Without work for so long, the thread ends. */
#define IDLE_S 1

struct item {
	struct item *next;
	int fd;
	void *map;
	size_t len;
};

struct closer {
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct item *first, **end;
	unsigned n;   /* items that are not done, the one that is being closed among them */
	bool running; /* there is a thread */
	bool orphan;  /* closer_free() was called: the thread, where there is one, frees it */
};

static void release_now(int fd, void *map, size_t len)
{
	if (map)
		munmap(map, len);
	if (fd >= 0)
		close(fd);
}

static void closer_destroy(struct closer *c)
{
	pthread_cond_destroy(&c->work);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* The next item, waited for; NULL: none came. The lock is held. */
static struct item *next_item(struct closer *c)
{
	struct item *item;
	struct timespec end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += IDLE_S;
	while (!c->first && !c->orphan) {
		if (pthread_cond_timedwait(&c->work, &c->lock, &end) == ETIMEDOUT)
			break;
	}
	item = c->first;
	if (item)
		c->first = item->next;
	if (!c->first)
		c->end = &c->first;
	return item;
}

static void *closer_thread(void *arg)
{
	struct closer *c = arg;
	struct item *item;
	bool orphan;

	pthread_mutex_lock(&c->lock);
	while ((item = next_item(c))) {
		pthread_mutex_unlock(&c->lock);
		release_now(item->fd, item->map, item->len);
		free(item);
		pthread_mutex_lock(&c->lock);
		c->n--;
	}
	c->running = false;
	orphan = c->orphan;
	pthread_mutex_unlock(&c->lock);
	if (orphan)
		closer_destroy(c);
	return NULL;
}

/* The lock is held. */
static void start_thread(struct closer *c)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&thread, &attr, closer_thread, c) == 0) {
		pthread_setname_np(thread, "closer");
		c->running = true;
	}
	pthread_attr_destroy(&attr);
}

int closer_new(struct closer **closer)
{
	struct closer *c = calloc(1, sizeof(*c));
	pthread_condattr_t attr;

	if (!c)
		return -ENOMEM;
	pthread_mutex_init(&c->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&c->work, &attr);
	pthread_condattr_destroy(&attr);
	c->end = &c->first;
	*closer = c;
	return 0;
}

void closer_free(struct closer *c)
{
	bool running;

	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->orphan = true;
	running = c->running;
	pthread_cond_signal(&c->work);
	pthread_mutex_unlock(&c->lock);
	if (!running)
		closer_destroy(c);
}

void closer_release(struct closer *c, int fd, void *map, size_t len)
{
	struct item *item = malloc(sizeof(*item));

	/* Better late and here than never. */
	if (!item) {
		release_now(fd, map, len);
		return;
	}
	*item = (struct item){ .fd = fd, .map = map, .len = len };
	pthread_mutex_lock(&c->lock);
	*c->end = item;
	c->end = &item->next;
	c->n++;
	if (!c->running)
		start_thread(c);
	pthread_cond_signal(&c->work);
	pthread_mutex_unlock(&c->lock);
}

unsigned closer_pending(struct closer *c)
{
	unsigned n;

	pthread_mutex_lock(&c->lock);
	n = c->n;
	pthread_mutex_unlock(&c->lock);
	return n;
}
