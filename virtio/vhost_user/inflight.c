/* SPDX-License-Identifier: MIT */
/*
 * The buffer is memory of ours when it is made, and of the front-end when it comes back: then it is
 * mapped as guest memory is, with the same checks and the same guard. The regions of the queues lie
 * one behind the other.
 *
 * A region counts only after a loss, and for a ring that does not tell its place itself. A ring
 * whose base the front-end asked for, or that was reset, begins where SET_VRING_BASE says.
 */
#include "virtio/vhost_user/inflight.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "virtio/base.h"
#include "virtio/features.h"
#include "virtio/virtq_inflight.h"
#include "virtio/vhost_user/report.h"

/* Before features are known a queue gets the room that either layout needs. */
static bool may_be_packed(const struct vhost_user_session *s)
{
	return feature_has(s->has_features ? s->features : s->cfg.features, VIRTIO_F_RING_PACKED);
}

/* A sealed file of len bytes of zeros, which are regions of new rings; or a negative errno. */
static int make_file(uint64_t len)
{
	int fd = memfd_create("vhost-user-inflight", MFD_CLOEXEC | MFD_ALLOW_SEALING), err;

	if (fd < 0)
		return -errno;
	if (!ftruncate(fd, (off_t)len) &&
	    !fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

enum vhost_user_answer vhost_user_inflight_get_fd(struct vhost_user_session *s,
						  struct vhost_user_msg *msg)
{
	struct vhost_user_inflight *i = &msg->payload.inflight;
	int fd;

	if (!i->n_queues || i->n_queues > s->n_rings || !i->queue_size ||
	    i->queue_size > VRING_MAX_SIZE)
		return vhost_user_report_fault(s, ANSWER_BROKEN,
					       "%u queues of %u entries: there are %u of up to %d",
					       i->n_queues, i->queue_size, s->n_rings,
					       VRING_MAX_SIZE);
	i->mmap_offset = 0;
	i->mmap_size = i->n_queues * virtq_inflight_len(may_be_packed(s), i->queue_size);
	fd = make_file(i->mmap_size);
	if (fd < 0)
		return vhost_user_report_fault(s, ANSWER_BROKEN, "no memory for it: %s",
					       strerror(-fd));
	s->reply_fd = fd;
	msg->hdr.size = (uint32_t)min_u64(msg->hdr.size, sizeof(*i));
	return ANSWER_REPLY;
}

enum vhost_user_answer vhost_user_inflight_set_fd(struct vhost_user_session *s,
						  struct vhost_user_msg *msg)
{
	const struct vhost_user_inflight *i = &msg->payload.inflight;
	struct gmem fresh;
	int err;

	if (vhost_user_any_running(s))
		return vhost_user_report_fault(s, ANSWER_REFUSED, "a ring is started");
	if (gmem_init(&fresh) < 0)
		return vhost_user_report_fault(s, ANSWER_REFUSED, "out of memory");
	fresh.watcher = s->mem.watcher;
	fresh.foreign = s->mem.foreign;
	err = gmem_add(&fresh, 0, i->mmap_size, 0, s->conn.fds[0], i->mmap_offset);
	if (err) {
		gmem_deinit(&fresh);
		return vhost_user_report_fault(
			s, ANSWER_REFUSED,
			"0x%" PRIx64 " bytes at 0x%" PRIx64 " cannot be mapped: %s", i->mmap_size,
			i->mmap_offset, err == -ENXIO ? "the file is shorter" : strerror(-err));
	}
	gmem_deinit(&s->inflight.mem);
	s->inflight.mem = fresh;
	s->inflight.n_queues = i->n_queues;
	s->inflight.queue_size = i->queue_size;
	return ANSWER_DONE;
}

/* NULL: the buffer has no room for this ring, or there is no buffer. */
static struct virtq_inflight *find(const struct vhost_user_session *s, unsigned idx, bool packed)
{
	size_t len = virtq_inflight_len(packed, s->inflight.queue_size);
	struct virtq_inflight *region;

	if (idx >= s->inflight.n_queues || s->rings[idx].size > s->inflight.queue_size)
		return NULL;
	region = gmem_at_uva(&s->inflight.mem, idx * len, len);
	return (uintptr_t)region % sizeof(uint64_t) ? NULL : region;
}

struct virtq_inflight *vhost_user_inflight_region(struct vhost_user_session *s, unsigned idx,
						  bool packed)
{
	struct virtq_inflight *region = find(s, idx, packed);

	if (!region && s->inflight.mem.n)
		vhost_user_report_fault(s, ANSWER_DONE,
					"ring %u of %u entries has no place in the inflight buffer "
					"(%u queues of %u entries)",
					idx, s->rings[idx].size, s->inflight.n_queues,
					s->inflight.queue_size);
	if (region && !load_relaxed(&region->version))
		virtq_inflight_init(region, packed, s->rings[idx].size);
	return region;
}

void vhost_user_inflight_forget(struct vhost_user_session *s, unsigned idx)
{
	struct virtq_inflight *region = find(s, idx, s->rings[idx].packed);

	if (region)
		store_release(&region->version, 0);
}
