/* SPDX-License-Identifier: MIT */
/* What goes to the log about a message. */
#include "virtio/vhost_user/report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "virtio/base.h"
#include "virtio/features.h"

#define VALUE_LEN 128

#define NAME(request) [VHOST_USER_##request] = #request

static const char *const names[VHOST_USER_REQUESTS] = {
	NAME(GET_FEATURES),
	NAME(SET_FEATURES),
	NAME(SET_OWNER),
	NAME(RESET_OWNER),
	NAME(SET_MEM_TABLE),
	NAME(SET_LOG_BASE),
	NAME(SET_LOG_FD),
	NAME(SET_VRING_NUM),
	NAME(SET_VRING_ADDR),
	NAME(SET_VRING_BASE),
	NAME(GET_VRING_BASE),
	NAME(SET_VRING_KICK),
	NAME(SET_VRING_CALL),
	NAME(SET_VRING_ERR),
	NAME(GET_PROTOCOL_FEATURES),
	NAME(SET_PROTOCOL_FEATURES),
	NAME(GET_QUEUE_NUM),
	NAME(SET_VRING_ENABLE),
	NAME(SEND_RARP),
	NAME(NET_SET_MTU),
	NAME(SET_BACKEND_REQ_FD),
	NAME(IOTLB_MSG),
	NAME(SET_VRING_ENDIAN),
	NAME(GET_CONFIG),
	NAME(SET_CONFIG),
	NAME(CREATE_CRYPTO_SESSION),
	NAME(CLOSE_CRYPTO_SESSION),
	NAME(POSTCOPY_ADVISE),
	NAME(POSTCOPY_LISTEN),
	NAME(POSTCOPY_END),
	NAME(GET_INFLIGHT_FD),
	NAME(SET_INFLIGHT_FD),
	NAME(GPU_SET_SOCKET),
	NAME(RESET_DEVICE),
	NAME(VRING_KICK),
	NAME(GET_MAX_MEM_SLOTS),
	NAME(ADD_MEM_REG),
	NAME(REM_MEM_REG),
	NAME(SET_STATUS),
	NAME(GET_STATUS),
	NAME(GET_SHARED_OBJECT),
	NAME(SET_DEVICE_STATE_FD),
	NAME(CHECK_DEVICE_STATE),
};

const char *vhost_user_report_name(uint32_t request)
{
	return request < array_size(names) ? names[request] : NULL;
}

void vhost_user_report_line(struct vhost_user_session *s, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	s->cfg.ops->log(s->cfg.dev, fmt, args);
	va_end(args);
}

__attribute__((format(printf, 2, 3))) static void trace(struct vhost_user_session *s,
							const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	s->cfg.ops->trace(s->cfg.dev, fmt, args);
	va_end(args);
}

/* What the payload says; of the bytes that have come only, as the others are of older messages. */
static void write_value(const struct vhost_user_msg *msg, char text[VALUE_LEN])
{
	const union vhost_user_payload *p = &msg->payload;
	const struct vhost_user_region *r = &p->reg.region;
	uint32_t size = msg->hdr.size;

	switch (msg->hdr.request) {
	case VHOST_USER_SET_VRING_ADDR:
		if (size < sizeof(p->addr))
			break;
		snprintf(text, VALUE_LEN,
			 " ring %u desc 0x%" PRIx64 " avail 0x%" PRIx64 " used 0x%" PRIx64,
			 p->addr.index, p->addr.desc, p->addr.avail, p->addr.used);
		return;
	case VHOST_USER_ADD_MEM_REG:
	case VHOST_USER_REM_MEM_REG:
		if (size < sizeof(p->reg))
			break;
		snprintf(text, VALUE_LEN, " 0x%" PRIx64 " bytes at 0x%" PRIx64, r->size, r->gpa);
		return;
	case VHOST_USER_SET_VRING_NUM:
	case VHOST_USER_SET_VRING_BASE:
	case VHOST_USER_GET_VRING_BASE:
	case VHOST_USER_SET_VRING_ENABLE:
		if (size < sizeof(p->state))
			break;
		snprintf(text, VALUE_LEN, " ring %u %u", p->state.index, p->state.num);
		return;
	}
	if (size == sizeof(p->u64))
		snprintf(text, VALUE_LEN, " 0x%" PRIx64, p->u64);
	else if (size)
		snprintf(text, VALUE_LEN, " %u bytes", size);
}

void vhost_user_report_message(struct vhost_user_session *s)
{
	const struct vhost_user_msg *msg = &s->conn.msg;
	const char *name = vhost_user_report_name(msg->hdr.request);
	char value[VALUE_LEN] = "";

	if (!s->cfg.ops->trace)
		return;
	write_value(msg, value);
	trace(s, "message %s (%u)%s, %u fds%s", name ? name : "unknown", msg->hdr.request, value,
	      s->conn.n_fds, msg->hdr.flags & VHOST_USER_FLAG_NEED_REPLY ? ", wants a reply" : "");
}

void vhost_user_report_reply(struct vhost_user_session *s)
{
	const char *name = vhost_user_report_name(s->conn.msg.hdr.request);
	char value[VALUE_LEN] = "";

	if (!s->cfg.ops->trace)
		return;
	write_value(&s->conn.msg, value);
	trace(s, "reply to %s:%s", name ? name : "unknown", value);
}

enum vhost_user_answer vhost_user_report_fault(struct vhost_user_session *s,
					       enum vhost_user_answer answer, const char *fmt, ...)
{
	uint32_t request = s->conn.msg.hdr.request;
	const char *name = vhost_user_report_name(request);
	char text[FEATURES_NAMES_LEN + 128];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (name)
		vhost_user_report_line(s, "%s: %s", name, text);
	else
		vhost_user_report_line(s, "request %u: %s", request, text);
	return answer;
}
