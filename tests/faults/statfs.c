/* Lets a folder look as if it were on another file system. Loaded by LD_PRELOAD.
 *
 * CRESCENT_STATFS_IN: the folder. CRESCENT_STATFS_TYPE: the type that statfs(2) reports for it, in hex.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

int statfs(const char *path, struct statfs *found) {
    int (*real)(const char *, struct statfs *) = dlsym(RTLD_NEXT, "statfs");
    int code = real(path, found);
    const char *folder = getenv("CRESCENT_STATFS_IN"), *type = getenv("CRESCENT_STATFS_TYPE");
    if (code == 0 && folder && type && strncmp(path, folder, strlen(folder)) == 0)
        found->f_type = strtoul(type, NULL, 16);
    return code;
}
