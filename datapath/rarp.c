/* SPDX-License-Identifier: MIT */
/* The one kind of frame that is a device's own; see rarp.h. */
#include "datapath/rarp.h"

#include <arpa/inet.h>
#include <netinet/if_ether.h>
#include <string.h>

#include "virtio/base.h"

/* As long as Ethernet wants a frame. */
struct rarp_frame {
	struct ether_header eth;
	struct ether_arp arp;
	uint8_t padding[ETHER_MIN_LEN - ETHER_CRC_LEN - sizeof(struct ether_header) -
			sizeof(struct ether_arp)];
};

struct rarp_job {
	struct iothread_job job;
	struct backend *backend;
	struct rarp_frame frame;
	int result;
};

static void rarp_fill(struct rarp_frame *f, const uint8_t mac[ETH_ALEN])
{
	*f = (struct rarp_frame){
		.eth.ether_type = htons(ETHERTYPE_REVARP),
		.arp.ea_hdr = { .ar_hrd = htons(ARPHRD_ETHER),
				.ar_pro = htons(ETHERTYPE_IP),
				.ar_hln = ETH_ALEN,
				.ar_pln = sizeof(f->arp.arp_spa),
				.ar_op = htons(ARPOP_RREQUEST) },
	};
	memset(f->eth.ether_dhost, 0xff, ETH_ALEN);
	memcpy(f->eth.ether_shost, mac, ETH_ALEN);
	memcpy(f->arp.arp_sha, mac, ETH_ALEN);
	memcpy(f->arp.arp_tha, mac, ETH_ALEN);
}

static void on_send(struct iothread_job *job)
{
	struct rarp_job *r = container_of(job, struct rarp_job, job);

	r->result = r->backend->ops->send(r->backend, &r->frame, sizeof(r->frame));
	iothread_job_done(job);
}

int rarp_send(struct backend *backend, struct iothread *thread, const uint8_t mac[6])
{
	struct rarp_job r = { .job.fn = on_send, .backend = backend };
	struct iothread_batch batch;

	rarp_fill(&r.frame, mac);
	iothread_batch_init(&batch);
	iothread_post(thread, &batch, &r.job);
	iothread_batch_wait(&batch);
	return r.result;
}
