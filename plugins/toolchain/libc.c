// What std and the crate `libc` expect of a current wasi-libc and Debian's, of 2022, does not have yet.

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#undef errno
extern _Thread_local int errno;

int *__errno_location(void)
{
	return &errno;
}

// WASI has no file modes: every one that is asked for is granted in name.
int chmod(const char *path, mode_t mode)
{
	(void)path;
	(void)mode;
	return 0;
}

int fchmod(int fd, mode_t mode)
{
	(void)fd;
	(void)mode;
	return 0;
}

// That libc's linkat always answers ENOENT for two paths, and std makes hard links with it; its link works.
// Called through the linker's `--wrap=linkat`.
int __real_linkat(int old_dir, const char *old, int new_dir, const char *new, int flags);

int __wrap_linkat(int old_dir, const char *old, int new_dir, const char *new, int flags)
{
	if (flags == 0 && (old_dir == AT_FDCWD || *old == '/') && (new_dir == AT_FDCWD || *new == '/'))
		return link(old, new);
	return __real_linkat(old_dir, old, new_dir, new, flags);
}

// There are no threads. The C library says so with an error, so that a program can do without.
int pthread_create(void *thread, const void *attributes, void *(*start)(void *), void *argument)
{
	(void)thread;
	(void)attributes;
	(void)start;
	(void)argument;
	return ENOTSUP;
}

int pthread_join(void *thread, void **result)
{
	(void)thread;
	(void)result;
	return ENOTSUP;
}

int pthread_detach(void *thread)
{
	(void)thread;
	return ENOTSUP;
}

int pthread_attr_init(void *attributes)
{
	(void)attributes;
	return 0;
}

int pthread_attr_destroy(void *attributes)
{
	(void)attributes;
	return 0;
}

int pthread_attr_setstacksize(void *attributes, size_t size)
{
	(void)attributes;
	(void)size;
	return 0;
}

int pthread_attr_setguardsize(void *attributes, size_t size)
{
	(void)attributes;
	(void)size;
	return 0;
}

// Appends `name` to the absolute path of `length` bytes in `path`. Returns the new length, 0 if it is too long.
static size_t append(char *path, size_t length, const char *name, size_t name_length)
{
	if (length + 1 + name_length >= PATH_MAX)
		return 0;
	if (length > 1)
		path[length++] = '/';
	memcpy(path + length, name, name_length);
	path[length + name_length] = '\0';
	return length + name_length;
}

static size_t parent(char *path, size_t length)
{
	while (length > 1 && path[--length] != '/')
		;
	path[length > 1 ? length : 1] = '\0';
	return length > 1 ? length : 1;
}

// The path without links, `.` and `..`: one component after another, a link's target taking its place in
// what is still to be walked.
char *realpath(const char *restrict path, char *restrict resolved)
{
	char rest[PATH_MAX], done[PATH_MAX], target[PATH_MAX];
	size_t length = 1;
	int links = 0;

	if (!path || !*path) {
		errno = path ? ENOENT : EINVAL;
		return NULL;
	}
	if (strlen(path) >= PATH_MAX) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	strcpy(rest, path);
	strcpy(done, "/");
	if (path[0] != '/') {
		if (!getcwd(done, sizeof done))
			return NULL;
		length = strlen(done);
	}

	char *at = rest;
	while (*at) {
		size_t name = strcspn(at, "/");
		const char *start = at;
		at += name + (at[name] == '/');
		if (name == 0 || (name == 1 && start[0] == '.'))
			continue;
		if (name == 2 && start[0] == '.' && start[1] == '.') {
			length = parent(done, length);
			continue;
		}
		size_t before = length;
		length = append(done, length, start, name);
		if (!length) {
			errno = ENAMETOOLONG;
			return NULL;
		}
		ssize_t size = readlink(done, target, sizeof target - 1);
		if (size < 0) {
			// Not a link; whether it exists is for stat to say.
			struct stat status;
			if (lstat(done, &status) != 0)
				return NULL;
			continue;
		}
		if (++links > 40) {
			errno = ELOOP;
			return NULL;
		}
		size_t left = strlen(at);
		if ((size_t)size + 1 + left >= sizeof rest) {
			errno = ENAMETOOLONG;
			return NULL;
		}
		memmove(rest + size + 1, at, left + 1);
		memcpy(rest, target, size);
		rest[size] = '/';
		at = rest;
		length = target[0] == '/' ? 1 : before;
		done[length] = '\0';
	}
	if (!resolved && !(resolved = malloc(length + 1)))
		return NULL;
	return memcpy(resolved, done, length + 1);
}
