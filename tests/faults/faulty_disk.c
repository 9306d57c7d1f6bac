/* A library for LD_PRELOAD that fails chosen calls of a program which write below one folder.
 *
 * The file named in FAULTY_DISK is mapped into memory and holds a `struct control`, which the test changes while the
 * program runs. Calls are counted over all processes that map the same file. A call outside the folder, or of a kind
 * that is not chosen, goes to the C library untouched. Not counted: writes to mapped memory, such as SQLite's shared
 * memory, and what stdio writes of its own accord from a buffer (the call that filled the buffer is counted).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { WRITE = 1, SYNC = 2, RENAME = 4, OPEN = 8, TRUNCATE = 16, UNLINK = 32, MKDIR = 64 };
enum mode { ONCE = 0, FROM = 1, SHORT = 2 };

struct control {
  int armed;        /* 0: calls are neither counted nor failed */
  int kinds;        /* sum of the kinds that are counted */
  int error;        /* errno of a failing call; 0 only counts */
  int mode;         /* ONCE: call `number` fails. FROM: it and all later ones. SHORT: it writes half, later ones fail */
  long number;      /* from 1 */
  long seen;        /* calls so far */
  long failed;      /* calls that failed, short ones included */
  char folder[1024];
  char call[32];    /* the first call that failed */
  char path[1024];
};

static struct control *control;

static void __attribute__((constructor)) attach(void) {
  const char *path = getenv("FAULTY_DISK");
  if (!path) return;
  int file = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
  if (file < 0) return;
  void *memory = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  syscall(SYS_close, file);
  if (memory != MAP_FAILED) control = memory;
}

static int is_below(const char *path) {
  size_t length = strlen(control->folder);
  return strncmp(path, control->folder, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

enum verdict { PASS, FAIL, HALF };

static enum verdict judged(const char *call, int kind, const char *path) {
  if (!is_below(path)) return PASS;
  long seen = __atomic_add_fetch(&control->seen, 1, __ATOMIC_SEQ_CST);
  if (!control->error && control->mode != SHORT) return PASS;
  enum verdict verdict = PASS;
  if (seen == control->number) verdict = control->mode == SHORT && kind == WRITE ? HALF : FAIL;
  if (seen > control->number && control->mode != ONCE) verdict = FAIL;
  if (verdict == FAIL && !control->error) verdict = PASS;
  if (verdict != PASS && __atomic_add_fetch(&control->failed, 1, __ATOMIC_SEQ_CST) == 1) {
    strncpy(control->call, call, sizeof control->call - 1);
    strncpy(control->path, path, sizeof control->path - 1);
  }
  return verdict;
}

static int is_watched(int kind) { return control && control->armed && (control->kinds & kind); }

static enum verdict of_file(const char *call, int kind, int file) {
  if (!is_watched(kind)) return PASS;
  int before = errno;
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, path, sizeof path - 1);
  errno = before;
  if (length <= 0) return PASS;
  path[length] = '\0';
  return judged(call, kind, path);
}

static enum verdict of_path(const char *call, int kind, int folder, const char *name) {
  if (!is_watched(kind) || !name) return PASS;
  if (name[0] == '/') return judged(call, kind, name);
  int before = errno;
  char link[64], path[2 * PATH_MAX];
  snprintf(link, sizeof link, folder == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", folder);
  ssize_t length = readlink(link, path, PATH_MAX - 1);
  errno = before;
  if (length <= 0) return PASS;
  snprintf(path + length, sizeof path - length, "/%s", name);
  return judged(call, kind, path);
}

static int failed(void) {
  errno = control->error;
  return -1;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define ORIGINAL(name)                          \
  static __typeof__(&name) original;            \
  if (!original) original = NEXT(name);

#define PLAIN(name, kind, verdict, parameters, arguments) \
  int name parameters {                                   \
    ORIGINAL(name)                                        \
    if (verdict != PASS) return failed();                 \
    return original arguments;                            \
  }

ssize_t write(int file, const void *bytes, size_t count) {
  ORIGINAL(write)
  enum verdict verdict = of_file("write", WRITE, file);
  if (verdict == FAIL) return failed();
  return original(file, bytes, verdict == HALF && count > 1 ? count / 2 : count);
}

#define PWRITE(name, offset_type)                                                     \
  ssize_t name(int file, const void *bytes, size_t count, offset_type offset) {       \
    ORIGINAL(name)                                                                    \
    enum verdict verdict = of_file("pwrite", WRITE, file);                            \
    if (verdict == FAIL) return failed();                                             \
    return original(file, bytes, verdict == HALF && count > 1 ? count / 2 : count, offset); \
  }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t writev(int file, const struct iovec *parts, int count) {
  ORIGINAL(writev)
  enum verdict verdict = of_file("writev", WRITE, file);
  if (verdict == FAIL) return failed();
  if (verdict == HALF && count > 0) {
    struct iovec first = parts[0];
    if (first.iov_len > 1) first.iov_len /= 2;
    return original(file, &first, 1);
  }
  return original(file, parts, count);
}

size_t fwrite(const void *bytes, size_t size, size_t count, FILE *stream) {
  ORIGINAL(fwrite)
  enum verdict verdict = of_file("fwrite", WRITE, fileno(stream));
  if (verdict == PASS || !control->error) return original(bytes, size, count, stream); /* stdio completes short ones */
  size_t done = verdict == HALF ? original(bytes, size, count / 2, stream) : 0;
  errno = control->error;
  return done;
}

#define SENDFILE(name, offset_type)                                               \
  ssize_t name(int out, int in, offset_type *offset, size_t count) {              \
    ORIGINAL(name)                                                                \
    enum verdict verdict = of_file("sendfile", WRITE, out);                       \
    if (verdict == FAIL) return failed();                                         \
    return original(out, in, offset, verdict == HALF && count > 1 ? count / 2 : count); \
  }
SENDFILE(sendfile, off_t)
SENDFILE(sendfile64, off64_t)

ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t count, unsigned flags) {
  ORIGINAL(copy_file_range)
  if (of_file("copy_file_range", WRITE, out) == FAIL) return failed();
  return original(in, from, out, to, count, flags);
}

PLAIN(fsync, SYNC, of_file("fsync", SYNC, file), (int file), (file))
PLAIN(fdatasync, SYNC, of_file("fdatasync", SYNC, file), (int file), (file))
PLAIN(ftruncate, TRUNCATE, of_file("ftruncate", TRUNCATE, file), (int file, off_t length), (file, length))
PLAIN(ftruncate64, TRUNCATE, of_file("ftruncate", TRUNCATE, file), (int file, off64_t length), (file, length))
PLAIN(rename, RENAME, of_path("rename", RENAME, AT_FDCWD, to), (const char *from, const char *to), (from, to))
PLAIN(renameat, RENAME, of_path("rename", RENAME, there, to),
      (int here, const char *from, int there, const char *to), (here, from, there, to))
PLAIN(unlink, UNLINK, of_path("unlink", UNLINK, AT_FDCWD, path), (const char *path), (path))
PLAIN(unlinkat, UNLINK, of_path("unlink", UNLINK, folder, path), (int folder, const char *path, int flags),
      (folder, path, flags))
PLAIN(rmdir, UNLINK, of_path("rmdir", UNLINK, AT_FDCWD, path), (const char *path), (path))
PLAIN(mkdir, MKDIR, of_path("mkdir", MKDIR, AT_FDCWD, path), (const char *path, mode_t mode), (path, mode))
PLAIN(mkdirat, MKDIR, of_path("mkdir", MKDIR, folder, path), (int folder, const char *path, mode_t mode),
      (folder, path, mode))

static int writes(int flags) { return (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC)); }

#define OPENS(name)                                                                         \
  int name(const char *path, int flags, ...) {                                              \
    ORIGINAL(name)                                                                          \
    va_list rest;                                                                           \
    va_start(rest, flags);                                                                  \
    mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0;               \
    va_end(rest);                                                                           \
    if (writes(flags) && of_path("open", OPEN, AT_FDCWD, path) != PASS) return failed();    \
    return original(path, flags, mode);                                                     \
  }
OPENS(open)
OPENS(open64)

#define OPENS_AT(name)                                                                      \
  int name(int folder, const char *path, int flags, ...) {                                  \
    ORIGINAL(name)                                                                          \
    va_list rest;                                                                           \
    va_start(rest, flags);                                                                  \
    mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0;               \
    va_end(rest);                                                                           \
    if (writes(flags) && of_path("open", OPEN, folder, path) != PASS) return failed();      \
    return original(folder, path, flags, mode);                                             \
  }
OPENS_AT(openat)
OPENS_AT(openat64)

#define FOPENS(name)                                                                        \
  FILE *name(const char *path, const char *mode) {                                          \
    ORIGINAL(name)                                                                          \
    if (strpbrk(mode, "wa+") && of_path("open", OPEN, AT_FDCWD, path) != PASS) {            \
      errno = control->error;                                                               \
      return NULL;                                                                          \
    }                                                                                       \
    return original(path, mode);                                                            \
  }
FOPENS(fopen)
FOPENS(fopen64)
