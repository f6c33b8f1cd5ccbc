/* SPDX-License-Identifier: MIT */
/* Sockets of the three kinds of endpoint. */
#include "tools/txringd/endpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tools/config/values.h"

#define RETRY_MS 200 /* between two attempts to connect */
#define BACKLOG  64  /* connections that wait to be taken */

static int set_address(struct sockaddr_un *addr, const char *option, const char *path, char *err,
		       size_t err_len)
{
	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (!*path || strlen(path) >= sizeof(addr->sun_path)) {
		snprintf(err, err_len, "--%s '%.*s%s' must be 1 to %zu characters long", option,
			 VALUES_SHOWN, path, strlen(path) > VALUES_SHOWN ? "..." : "",
			 sizeof(addr->sun_path) - 1);
		return -ENAMETOOLONG;
	}
	strcpy(addr->sun_path, path);
	return 0;
}

static int try_connect(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), err;

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* Whoever made the socket listen that this one is connected to, if the kernel says it. */
static void say_holder(int fd, char text[64])
{
	char path[64], name[32] = "";
	struct ucred peer = { 0 };
	socklen_t len = sizeof(peer);
	ssize_t n;
	int comm;

	snprintf(text, 64, "a process");
	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) || peer.pid <= 0)
		return;
	snprintf(path, sizeof(path), "/proc/%d/comm", (int)peer.pid);
	comm = open(path, O_RDONLY | O_CLOEXEC);
	n = comm < 0 ? -1 : read(comm, name, sizeof(name) - 1);
	if (comm >= 0)
		close(comm);
	name[n > 0 ? strcspn(name, "\n") : 0] = '\0';
	snprintf(text, 64, "process %d%s%s%s", (int)peer.pid, *name ? " (" : "", name,
		 *name ? ")" : "");
}

/* A socket file that nobody listens on is what a killed process left: it may go. */
static int remove_stale(const struct sockaddr_un *addr, const char *option, char *err,
			size_t err_len)
{
	char holder[64];
	struct stat st;
	int fd, error;

	if (lstat(addr->sun_path, &st) < 0)
		return 0;
	if (!S_ISSOCK(st.st_mode)) {
		snprintf(err, err_len,
			 "--%s '%s' exists and is no socket; choose another path or remove it",
			 option, addr->sun_path);
		return -EEXIST;
	}
	fd = try_connect(addr);
	say_holder(fd, holder);
	if (fd >= 0)
		close(fd);
	if (fd == -ENOENT ||
	    (fd == -ECONNREFUSED && (unlink(addr->sun_path) == 0 || errno == ENOENT)))
		return 0;
	if (fd == -ECONNREFUSED) {
		error = -errno;
		snprintf(err, err_len,
			 "--%s '%s' was left by a process that has ended, and cannot be "
			 "removed: %s",
			 option, addr->sun_path, strerror(-error));
		return error;
	}
	/* EAGAIN: its backlog is full. EPROTOTYPE: it is no stream. */
	if (fd >= 0 || fd == -EAGAIN || fd == -EPROTOTYPE) {
		snprintf(err, err_len,
			 "--%s '%s' is in use: %s has that socket; choose another "
			 "path, or end it",
			 option, addr->sun_path, holder);
		return -EADDRINUSE;
	}
	snprintf(err, err_len,
		 "--%s '%s' exists, and may be in use, as one cannot connect to it: %s; choose "
		 "another path or remove it",
		 option, addr->sun_path, strerror(-fd));
	return fd;
}

/* A socket of ours is now at path; not if it has no file any more. */
static void remember(struct endpoint_file *file, const char *path)
{
	struct stat st;

	*file = (struct endpoint_file){ 0 };
	if (lstat(path, &st) == 0)
		*file = (struct endpoint_file){ .path = path, .dev = st.st_dev, .ino = st.st_ino };
}

/* As long as our socket is open its file's number is no other's. */
void endpoint_unlink(struct endpoint_file *file)
{
	struct stat st;

	if (file->path && lstat(file->path, &st) == 0 && st.st_dev == file->dev &&
	    st.st_ino == file->ino)
		unlink(file->path);
	file->path = NULL;
}

/*
 * Open the file of a socket that this process has just made at path, with mode 0: by an fd, since
 * whoever may write in the folder can put a link or another's file in its place. -1 and errno.
 */
static int open_own_file(const char *path)
{
	int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode) && !(st.st_mode & 07777) &&
	    st.st_uid == geteuid() && st.st_nlink == 1)
		return fd;
	close(fd);
	errno = ESTALE;
	return -1;
}

/* What the step that failed was about, for the line of the log. */
static int set_access(const char *path, const struct socket_access *access, const char **step)
{
	mode_t mode = access->has_mode ? access->mode : 0660;
	int fd = open_own_file(path), error = 0;
	char link[32];

	*step = "replaced while it was made";
	if (fd < 0)
		return -errno;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	*step = "cannot have that mode";
	if (chmod(link, mode) < 0)
		error = -errno;
	if (!error && (access->owner != (uid_t)-1 || access->group != (gid_t)-1)) {
		*step = "cannot have that owner or group (root may choose any, others a group of "
			"theirs)";
		if (fchownat(fd, "", access->owner, access->group, AT_EMPTY_PATH) < 0)
			error = -errno;
	}
	close(fd);
	return error;
}

static bool restricted(const struct socket_access *access)
{
	return access->has_mode || access->owner != (uid_t)-1 || access->group != (gid_t)-1;
}

int endpoint_bind(struct endpoint_file *file, const char *option,
		  const struct socket_access *access, char *err, size_t err_len)
{
	const char *path = file->path, *step = "cannot listen";
	struct sockaddr_un addr;
	int error = set_address(&addr, option, path, err, err_len), fd;

	file->path = NULL;
	if (!error)
		error = remove_stale(&addr, option, err, err_len);
	if (error)
		return error;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* The file has no more rights than the socket has before it gets a name. */
	if (fd >= 0 && (!restricted(access) || fchmod(fd, 0) == 0) &&
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0) {
		remember(file, path);
		/* Nobody can connect before it listens. */
		if (restricted(access))
			error = set_access(path, access, &step);
		if (!error && listen(fd, BACKLOG) == 0)
			return fd;
		if (!error) {
			error = -errno;
			step = "cannot listen";
		}
		endpoint_unlink(file);
	} else {
		error = -errno;
	}
	snprintf(err, err_len, "--%s '%s': %s: %s", option, path, step, strerror(-error));
	if (fd >= 0)
		close(fd);
	return error;
}

int endpoint_listen(struct endpoint *e, const char *path, const struct socket_access *access,
		    char *err, size_t err_len)
{
	*e = (struct endpoint){ .path = path, .listening = true, .file.path = path };
	e->fd = endpoint_bind(&e->file, "socket-path", access, err, err_len);
	return e->fd < 0 ? e->fd : 0;
}

int endpoint_connect(struct endpoint *e, const char *path, char *err, size_t err_len)
{
	struct sockaddr_un addr;

	*e = (struct endpoint){ .path = path, .fd = -1, .client = true };
	return set_address(&addr, "socket-path", path, err, err_len);
}

int endpoint_inherit(struct endpoint *e, int fd, char *err, size_t err_len)
{
	int domain = 0, type = 0, listening = 0, flags = fcntl(fd, F_GETFD), error;
	socklen_t len = sizeof(int), no_len = 0;

	*e = (struct endpoint){ .fd = -1 };
	if (flags < 0 || flags & FD_CLOEXEC ||
	    getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) < 0 || domain != AF_UNIX ||
	    type != SOCK_STREAM) {
		snprintf(err, err_len, "--fd '%d' must be an inherited unix stream socket", fd);
		return -ENOTSOCK;
	}
	/* The peer of a connection may be gone already: then it is served, for a moment. */
	if (!listening && getpeername(fd, NULL, &no_len) < 0) {
		error = -errno;
		snprintf(err, err_len,
			 "--fd '%d' is a socket that neither listens nor is connected", fd);
		return error;
	}
	if (listening && fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0) {
		error = -errno;
		snprintf(err, err_len, "--fd '%d' cannot be made non-blocking: %s", fd,
			 strerror(-error));
		return error;
	}
	e->fd = fd;
	e->listening = listening;
	e->once = !listening;
	return 0;
}

void endpoint_close(struct endpoint *e, struct closer *closer)
{
	endpoint_unlink(&e->file);
	if (e->fd >= 0)
		closer_release(closer, e->fd, NULL, 0);
	e->fd = -1;
}

int endpoint_fd(const struct endpoint *e)
{
	return e->listening ? e->fd : -1;
}

int endpoint_timeout_ms(const struct endpoint *e)
{
	if (e->client)
		return RETRY_MS;
	return e->once && e->fd >= 0 ? 0 : -1;
}

int endpoint_next(struct endpoint *e)
{
	struct sockaddr_un addr;
	char err[256];
	int fd;

	if (e->listening) {
		fd = accept4(e->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	} else if (e->client) {
		fd = set_address(&addr, "socket-path", e->path, err, sizeof(err))
			     ? -1
			     : try_connect(&addr);
	} else {
		fd = e->fd;
		e->fd = -1;
	}
	return fd < 0 ? -1 : fd;
}

bool endpoint_finished(const struct endpoint *e)
{
	return e->once && e->fd < 0;
}
