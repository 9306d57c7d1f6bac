/* Ends a process by SIGKILL just before its n-th write inside a folder, or in the middle of it.
 *
 * Loaded by LD_PRELOAD. What counts as a write: write, truncate, flush, create, rename, remove. Set by environment
 * variables for a program that is started (CRESCENT_KILL_IN, CRESCENT_KILL_AT, CRESCENT_KILL_TEAR), or by
 * crescent_arm() in a process that was forked. The count is in memory that a parent shares with what it forks.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static char folder[4096];
static long at;
static int tears;
static long *seen;

static long *shared(void) {
    if (!seen) {
        void *place = mmap(NULL, sizeof(long), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        seen = place == MAP_FAILED ? calloc(1, sizeof(long)) : place;
    }
    return seen;
}

void crescent_arm(const char *where, long number, int tear) {
    snprintf(folder, sizeof folder, "%s", where);
    *shared() = 0;
    tears = tear;
    at = number;
}

long crescent_count(void) { return *shared(); }

__attribute__((constructor)) static void begin(void) {
    const char *where = getenv("CRESCENT_KILL_IN"), *number = getenv("CRESCENT_KILL_AT");
    const char *skip = getenv("CRESCENT_KILL_SKIP");
    shared();
    if (!where || !number) return;
    if (skip && atol(skip) > 0) { /* for a process that this one starts */
        char left[32];
        snprintf(left, sizeof left, "%ld", atol(skip) - 1);
        setenv("CRESCENT_KILL_SKIP", left, 1);
        return;
    }
    crescent_arm(where, atol(number), getenv("CRESCENT_KILL_TEAR") != NULL);
    unsetenv("CRESCENT_KILL_AT"); /* not for processes that this one starts */
}

static int inside(const char *path) { return folder[0] && path && strncmp(path, folder, strlen(folder)) == 0; }

static int inside_fd(int fd) {
    char link[64], path[4096];
    if (!folder[0]) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return inside(path);
}

/* Whether this is the n-th write; the caller may then do a part of it before it dies. */
static int is_due(int counts) { return counts && __atomic_add_fetch(shared(), 1, __ATOMIC_SEQ_CST) == at; }

static void die(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define DIE_IF(counts) do { if (is_due(counts)) die(); } while (0)

ssize_t write(int fd, const void *data, size_t count) {
    if (is_due(inside_fd(fd))) {
        if (tears && count > 1) REAL(write)(fd, data, count / 2);
        die();
    }
    return REAL(write)(fd, data, count);
}

ssize_t pwrite(int fd, const void *data, size_t count, off_t offset) {
    if (is_due(inside_fd(fd))) {
        if (tears && count > 1) REAL(pwrite)(fd, data, count / 2, offset);
        die();
    }
    return REAL(pwrite)(fd, data, count, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t count, off64_t offset) {
    if (is_due(inside_fd(fd))) {
        if (tears && count > 1) REAL(pwrite64)(fd, data, count / 2, offset);
        die();
    }
    return REAL(pwrite64)(fd, data, count, offset);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    if (is_due(inside_fd(fd))) {
        if (tears && count > 1) REAL(writev)(fd, parts, count / 2);
        die();
    }
    return REAL(writev)(fd, parts, count);
}

ssize_t sendfile(int to, int from, off_t *offset, size_t count) {
    DIE_IF(inside_fd(to));
    return REAL(sendfile)(to, from, offset, count);
}

int ftruncate(int fd, off_t length) { DIE_IF(inside_fd(fd)); return REAL(ftruncate)(fd, length); }
int ftruncate64(int fd, off64_t length) { DIE_IF(inside_fd(fd)); return REAL(ftruncate64)(fd, length); }
int fsync(int fd) { DIE_IF(inside_fd(fd)); return REAL(fsync)(fd); }
int fdatasync(int fd) { DIE_IF(inside_fd(fd)); return REAL(fdatasync)(fd); }
int rename(const char *from, const char *to) { DIE_IF(inside(to) || inside(from)); return REAL(rename)(from, to); }
int renameat(int a, const char *from, int b, const char *to) {
    DIE_IF(inside(to) || inside(from));
    return REAL(renameat)(a, from, b, to);
}
int renameat2(int a, const char *from, int b, const char *to, unsigned int flags) {
    DIE_IF(inside(to) || inside(from));
    return REAL(renameat2)(a, from, b, to, flags);
}
int unlink(const char *path) { DIE_IF(inside(path)); return REAL(unlink)(path); }
int unlinkat(int fd, const char *path, int flags) {
    DIE_IF(inside(path) || (path[0] != '/' && fd != AT_FDCWD && inside_fd(fd)));
    return REAL(unlinkat)(fd, path, flags);
}
int mkdir(const char *path, mode_t mode) { DIE_IF(inside(path)); return REAL(mkdir)(path, mode); }
int rmdir(const char *path) { DIE_IF(inside(path)); return REAL(rmdir)(path); }

static int creates(int flags) { return (flags & (O_CREAT | O_TRUNC)) && (flags & O_ACCMODE) != O_RDONLY; }

#define OPENED(name)                                                     \
    int name(const char *path, int flags, ...) {                         \
        va_list rest;                                                    \
        va_start(rest, flags);                                           \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest);                                                    \
        DIE_IF(creates(flags) && inside(path));                          \
        return REAL(name)(path, flags, mode);                            \
    }
OPENED(open)
OPENED(open64)

#define OPENED_AT(name)                                                  \
    int name(int place, const char *path, int flags, ...) {              \
        va_list rest;                                                    \
        va_start(rest, flags);                                           \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest);                                                    \
        DIE_IF(creates(flags) && inside(path));                          \
        return REAL(name)(place, path, flags, mode);                     \
    }
OPENED_AT(openat)
OPENED_AT(openat64)
