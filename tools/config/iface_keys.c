/* SPDX-License-Identifier: MIT */
/*
 * The settings of libvirt's <interface>, after the schema of libvirt 9.0 (domaincommon.rng) and
 * what later versions added to it; see iface.h. Fates that are not named are IFACE_KEPT.
 */
#include "tools/config/iface.h"

#define OF(type) (1u << IFACE_##type)

#define FRONTEND   .nic = IFACE_FRONTEND, .vhostuser = IFACE_FRONTEND
#define IGNORED(w) .nic = IFACE_IGNORED, .vhostuser = IFACE_IGNORED, .why = (w)
#define REFUSED(w) .nic = IFACE_REFUSED, .vhostuser = IFACE_REFUSED, .why = (w)

#define ON_OFF(e, a, ...) \
	{ \
		.element = (e), .attribute = (a), .form = IFACE_ON_OFF, __VA_ARGS__ \
	}
#define YES_NO(e, a, ...) \
	{ \
		.element = (e), .attribute = (a), .form = IFACE_YES_NO, __VA_ARGS__ \
	}
#define WORD(e, a, w, ...) \
	{ \
		.element = (e), .attribute = (a), .form = IFACE_WORD, .words = (w), __VA_ARGS__ \
	}
#define NUMBER(e, a, from, to, ...) \
	{ \
		.element = (e), .attribute = (a), .form = IFACE_NUMBER, .min = (from), \
		.max = (to), __VA_ARGS__ \
	}
#define POWER(e, a, from, to, ...) \
	{ \
		.element = (e), .attribute = (a), .form = IFACE_POWER, .min = (from), .max = (to), \
		__VA_ARGS__ \
	}
#define ABS_PATH(e, a, ...) \
	{ \
		.element = (e), .attribute = (a), .form = IFACE_ABS_PATH, __VA_ARGS__ \
	}
#define TEXT(e, a, ...) \
	{ \
		.element = (e), .attribute = (a), .form = IFACE_TEXT, __VA_ARGS__ \
	}
#define TREE(e, ...) \
	{ \
		.element = (e), .attribute = "", .form = IFACE_TREE, __VA_ARGS__ \
	}
/* Off takes the feature out of the offer. */
#define OFFLOAD(e, a, q, f) ON_OFF(e, a, .qemu = (q), .feature = (f))

static const char no_bandwidth[] =
	"no bandwidth is limited here: limit it on the tap, with tc, and take this out";
static const char no_script[] =
	"no script is run here: run it where txringd is started, and take this out";
static const char no_address[] = "libvirt gives a guest no address here: take it out";
static const char for_passt[] = "this is for backend type='passt', which is another program";

const struct iface_key iface_keys[] = {
	{ .element = "",
	  .attribute = "type",
	  .form = IFACE_WORD,
	  .words = "network bridge ethernet vhostuser direct user internal mcast client udp server "
		   "hostdev vdpa null vds" },
	YES_NO("", "trustGuestRxFilters", .unless = "no",
	       IGNORED("libvirt does it for a macvtap that it made itself, and for no other")),
	YES_NO("", "managed", .types = OF(OTHER), FRONTEND),

	{ .element = "mac",
	  .attribute = "address",
	  .form = IFACE_MAC,
	  .qemu = "mac",
	  .key = "mac" },
	WORD("mac", "type", "generated static", FRONTEND),
	YES_NO("mac", "check", FRONTEND),

	TREE("source", .types = OF(OTHER)),
	WORD("source", "type", "unix", .types = OF(VHOSTUSER)),
	ABS_PATH("source", "path", .types = OF(VHOSTUSER)),
	WORD("source", "mode", "client server", .types = OF(VHOSTUSER)),
	YES_NO("source/reconnect", "enabled", .types = OF(VHOSTUSER), FRONTEND),
	NUMBER("source/reconnect", "timeout", 0, UINT32_MAX, .types = OF(VHOSTUSER), FRONTEND),
	TEXT("source", "bridge", .types = OF(BRIDGE) | OF(NETWORK)),
	WORD("source", "macTableManager", "kernel libvirt", .types = OF(BRIDGE) | OF(NETWORK),
	     .unless = "kernel",
	     REFUSED("the kernel learns addresses itself on a bridge that txringd's tap is in")),
	TEXT("source", "network", .types = OF(BRIDGE) | OF(NETWORK) | OF(DIRECT)),
	TEXT("source", "portgroup", .types = OF(BRIDGE) | OF(NETWORK) | OF(DIRECT),
	     REFUSED("what the network's port group says (bandwidth, vlan ...) is not applied "
		     "here: take it out")),
	TEXT("source", "portid", .types = OF(BRIDGE) | OF(NETWORK) | OF(DIRECT), FRONTEND),
	TEXT("source", "dev", .types = OF(DIRECT)),
	WORD("source", "mode", "vepa bridge private passthrough", .types = OF(DIRECT),
	     IGNORED("the mode is that of the macvtap that is there")),
	TREE("source/ip", .types = OF(ETHERNET),
	     REFUSED("the host's side gets no address here: ip address add, and take it out")),
	TREE("source/route", .types = OF(ETHERNET),
	     REFUSED("the host gets no route here: ip route add, and take it out")),

	{ .element = "target", .attribute = "dev", .form = IFACE_TEXT },
	{ .element = "target",
	  .attribute = "managed",
	  .form = IFACE_YES_NO,
	  .unless = "yes",
	  .vhostuser = IFACE_IGNORED,
	  .why = "libvirt refuses it there, and makes no device either" },
	TEXT("guest", "dev", IGNORED("libvirt names no device in a QEMU guest")),
	TEXT("guest", "actual", IGNORED("libvirt names no device in a QEMU guest")),

	{ .element = "model", .attribute = "type", .form = IFACE_TEXT },
	{ .element = "driver", .attribute = "name", .form = IFACE_WORD, .words = "qemu vhost" },
	WORD("driver", "txmode", "iothread timer", .qemu = "tx", .key = "txmode",
	     .why = "txringd's other ones are written <?txring txmode NAME?>, or --txmode NAME"),
	NUMBER("driver", "queues", 1, NIC_CONFIG_MAX_PAIRS, .qemu = "mq", .key = "queues"),
	POWER("driver", "rx_queue_size", 256, 1024, FRONTEND, .qemu = "rx_queue_size"),
	POWER("driver", "tx_queue_size", 256, 1024, FRONTEND, .qemu = "tx_queue_size"),
	ON_OFF("driver", "ioeventfd", .unless = "on", .qemu = "ioeventfd",
	       REFUSED("a vhost-user back-end is kicked by an ioeventfd only")),
	OFFLOAD("driver", "event_idx", "event_idx", "EVENT_IDX"),
	OFFLOAD("driver", "packed", "packed", "RING_PACKED"),
	ON_OFF("driver", "rss", .unless = "off", .qemu = "rss",
	       REFUSED("txringd spreads no frames by a hash of the guest's choice")),
	ON_OFF("driver", "rss_hash_report", .unless = "off", .qemu = "hash",
	       REFUSED("txringd tells the guest no hashes")),
	ON_OFF("driver", "iommu", .unless = "off", .qemu = "iommu_platform",
	       REFUSED("txringd translates no addresses of a virtual IOMMU")),
	ON_OFF("driver", "ats", FRONTEND, .qemu = "ats"),
	ON_OFF("driver", "page_per_vq", FRONTEND, .qemu = "page-per-vq"),
	OFFLOAD("driver/host", "csum", "csum", "CSUM"),
	OFFLOAD("driver/host", "gso", "gso", "GSO"),
	OFFLOAD("driver/host", "tso4", "host_tso4", "HOST_TSO4"),
	OFFLOAD("driver/host", "tso6", "host_tso6", "HOST_TSO6"),
	OFFLOAD("driver/host", "ecn", "host_ecn", "HOST_ECN"),
	OFFLOAD("driver/host", "ufo", "host_ufo", "HOST_UFO"),
	OFFLOAD("driver/host", "mrg_rxbuf", "mrg_rxbuf", "MRG_RXBUF"),
	OFFLOAD("driver/guest", "csum", "guest_csum", "GUEST_CSUM"),
	OFFLOAD("driver/guest", "tso4", "guest_tso4", "GUEST_TSO4"),
	OFFLOAD("driver/guest", "tso6", "guest_tso6", "GUEST_TSO6"),
	OFFLOAD("driver/guest", "ecn", "guest_ecn", "GUEST_ECN"),
	OFFLOAD("driver/guest", "ufo", "guest_ufo", "GUEST_UFO"),

	WORD("backend", "type", "default passt", .unless = "default", REFUSED(for_passt)),
	ABS_PATH("backend", "tap", .unless = "/dev/net/tun",
		 REFUSED("txringd opens taps with /dev/net/tun only; for a tap that is open, see "
			 "backend tap-fd")),
	ABS_PATH("backend", "vhost", .key = "vhost-device"),
	ABS_PATH("backend", "logFile", IGNORED(for_passt)),

	/* libvirt has QEMU tell the guest; for ours QEMU would wait, and virsh start with it. */
	WORD("link", "state", "up down", .types = OF(VHOSTUSER), FRONTEND),
	WORD("link", "state", "up down", .types = ~OF(VHOSTUSER), .key = "link"),
	NUMBER("mtu", "size", 0, UINT16_MAX, .unless = "0", .qemu = "host_mtu", .key = "mtu"),

	TREE("filterref",
	     REFUSED("no filter of libvirt stands on txringd's tap, and libvirt drops it without a "
		     "word on vhostuser: filter on the tap, with nft, and take it out")),
	TREE("vlan",
	     REFUSED("no tag is set here: put the tap into a VLAN of its bridge (bridge vlan "
		     "add), and take it out")),
	TREE("virtualport", REFUSED("no port of a switch is made here: add txringd's tap to it "
				    "yourself, and take it out")),
	NUMBER("bandwidth", "classID", 1, UINT64_MAX,
	       IGNORED("libvirt sets it itself, for a network's bandwidth")),
	NUMBER("bandwidth/inbound", "average", 1, UINT32_MAX, REFUSED(no_bandwidth)),
	NUMBER("bandwidth/inbound", "peak", 1, UINT32_MAX, REFUSED(no_bandwidth)),
	NUMBER("bandwidth/inbound", "floor", 1, UINT32_MAX, REFUSED(no_bandwidth)),
	NUMBER("bandwidth/inbound", "burst", 0, UINT32_MAX, REFUSED(no_bandwidth)),
	NUMBER("bandwidth/outbound", "average", 1, UINT32_MAX, REFUSED(no_bandwidth)),
	NUMBER("bandwidth/outbound", "peak", 1, UINT32_MAX, REFUSED(no_bandwidth)),
	NUMBER("bandwidth/outbound", "floor", 1, UINT32_MAX, REFUSED(no_bandwidth)),
	NUMBER("bandwidth/outbound", "burst", 0, UINT32_MAX, REFUSED(no_bandwidth)),
	NUMBER("tune/sndbuf", "", 0, UINT32_MAX, .unless = "0",
	       REFUSED("txringd's tap has no limit of what waits in it, and libvirt ignores this "
		       "on "
		       "vhostuser: take it out")),
	NUMBER("coalesce/rx/frames", "max", 0, UINT32_MAX, .unless = "0",
	       REFUSED("the tap's rx-frames are not set here, and libvirt refuses this on "
		       "vhostuser: take it out")),
	YES_NO("port", "isolated", .unless = "no",
	       REFUSED("the tap is not isolated in its bridge here (bridge link set dev TAP "
		       "isolated "
		       "on), and libvirt refuses this on vhostuser: take it out")),
	WORD("teaming", "type", "persistent transient",
	     REFUSED("txringd offers no STANDBY, so the guest would have no second card to fall "
		     "back "
		     "on")),
	TEXT("teaming", "persistent", REFUSED("see its type")),
	TEXT("script", "path", .unless = "", REFUSED(no_script)),
	TEXT("downscript", "path", .unless = "", REFUSED(no_script)),
	TREE("ip", REFUSED(no_address)),
	TREE("route", REFUSED(no_address)),
	TREE("portForward", REFUSED(for_passt)),
	TEXT("backenddomain", "name", IGNORED("it is for Xen")),

	ON_OFF("rom", "bar", FRONTEND, .qemu = "rombar"),
	YES_NO("rom", "enabled", FRONTEND),
	ABS_PATH("rom", "file", FRONTEND, .qemu = "romfile"),
	NUMBER("boot", "order", 1, INT32_MAX, FRONTEND, .qemu = "bootindex"),
	TEXT("boot", "loadparm", FRONTEND, .qemu = "loadparm"),
	NUMBER("acpi", "index", 0, UINT32_MAX, FRONTEND, .qemu = "acpi-index"),
	TEXT("alias", "name", FRONTEND, .qemu = "id"),
	TREE("address", FRONTEND),
	{ 0 },
};
