/* SPDX-License-Identifier: MIT */
/* What goes to the log about a message. */
#include "virtio/vhost_user/report.h"

#include <stdarg.h>
#include <stdio.h>

#include "virtio/base.h"
#include "virtio/features.h"

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
