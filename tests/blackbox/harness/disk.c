/* A disk that fails on demand and remembers what it was told; preloaded into the server (see disk.rs).
 *
 * In the directory DISK_FAULTS, a file `full` makes every write fail with ENOSPC; with EIO fail: for a file `broken` every fsync,
 * for `unwritable` every write; for `read_only` whatever changes a file or a directory, and fsync, fail with EROFS;
 * for `unreadable` nothing can be read of the database's files and of blobs (EIO).
 *
 * The file DISK_JOURNAL, if named, gets every write, truncation, sync and removal of the database's files, in order: a kind, the lengths of
 * path and data and an offset (8 bytes each, of this machine), the path, the data. It gets syncs of uploads, blobs and directories too: of an
 * upload or a blob its inode for a path and its length for an offset; of a directory, for data, the inode and name of everything in it, a line each. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int has(const char *fault, int error) {
    const char *directory = getenv("DISK_FAULTS");
    char path[4096];
    if (!directory) return 0;
    snprintf(path, sizeof path, "%s/%s", directory, fault);
    if (access(path, F_OK) != 0) return 0;
    errno = error;
    return 1;
}

static int fails(int fd, const char *fault, int error) {
    struct stat file;
    if (fstat(fd, &file) != 0 || !(S_ISREG(file.st_mode) || S_ISDIR(file.st_mode))) return 0;
    return has(fault, error);
}

static int is_read_only(int fd) { return fails(fd, "read_only", EROFS); }
static int takes_no_write(int fd) { return fails(fd, "full", ENOSPC) || fails(fd, "unwritable", EIO) || is_read_only(fd); }
static int is_broken(int fd) { return fails(fd, "broken", EIO) || is_read_only(fd); }
/* Whether a path may not be opened, or what it names not be changed. Devices and /proc are on other file systems. */
static int is_shut(const char *path) {
    return strncmp(path, "/dev/", 5) != 0 && strncmp(path, "/proc/", 6) != 0 && has("read_only", EROFS);
}
static int is_shut_for(const char *path, int flags) {
    return (flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)) != 0 && is_shut(path);
}

static void append(char kind, const char *path, const void *data, size_t length, off_t offset) {
    static int out = -1;
    if (out < 0) out = open(getenv("DISK_JOURNAL"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    unsigned long long head[4] = {(unsigned long long)kind, strlen(path), length, (unsigned long long)offset};
    struct iovec parts[3] = {{head, sizeof head}, {(void *)path, strlen(path)}, {(void *)data, length}};
    if (writev(out, parts, 3) < 0) abort();
}

static void note_path(char kind, const char *path, const void *data, size_t length, off_t offset) {
    const char *name = strstr(path, "pds.sqlite");
    if (!getenv("DISK_JOURNAL") || !name || strcmp(name, "pds.sqlite-shm") == 0) return;
    append(kind, path, data, length, offset);
}

static int path_of(int fd, char *path, size_t room) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, room - 1);
    if (size > 0) path[size] = 0;
    return size > 0;
}

static void note(char kind, int fd, const void *data, size_t length, off_t offset) {
    char path[4096];
    if (!getenv("DISK_JOURNAL")) return;
    int before = errno;
    if (path_of(fd, path, sizeof path)) note_path(kind, path, data, length, offset);
    errno = before;
}

static void note_directory(const char *path) {
    static char list[1 << 16];
    size_t length = 0;
    DIR *directory = opendir(path);
    struct dirent *entry;
    while (directory && (entry = readdir(directory)) && length + sizeof *entry < sizeof list)
        length += snprintf(list + length, sizeof list - length, "%llu %s\n", (unsigned long long)entry->d_ino, entry->d_name);
    if (directory) closedir(directory);
    append('d', path, list, length, 0);
}

static void note_sync(int fd) {
    struct stat file;
    char path[4096];
    int before = errno;
    if (getenv("DISK_JOURNAL") && fstat(fd, &file) == 0 && path_of(fd, path, sizeof path)) {
        if (S_ISDIR(file.st_mode)) {
            note_directory(path);
        } else if (strstr(path, "pds-upload-") || strstr(path, "/blobs/")) {
            snprintf(path, sizeof path, "%llu", (unsigned long long)file.st_ino);
            append('f', path, "", 0, file.st_size);
        } else {
            note_path('s', path, "", 0, 0);
        }
    }
    errno = before;
}

static int is_unreadable(int fd) {
    char path[4096];
    int before = errno;
    if (has("unreadable", EIO) && path_of(fd, path, sizeof path) && (strstr(path, "pds.sqlite") || strstr(path, "/blobs/"))) {
        errno = EIO;
        return 1;
    }
    errno = before;
    return 0;
}

ssize_t read(int fd, void *data, size_t size) { return is_unreadable(fd) ? -1 : REAL(read)(fd, data, size); }
ssize_t pread(int fd, void *data, size_t size, off_t offset) {
    return is_unreadable(fd) ? -1 : REAL(pread)(fd, data, size, offset);
}
ssize_t pread64(int fd, void *data, size_t size, off64_t offset) { return pread(fd, data, size, offset); }

static ssize_t written(int fd, const void *data, ssize_t size, off_t offset) {
    if (size > 0) note('w', fd, data, (size_t)size, offset);
    pthread_mutex_unlock(&lock);
    return size;
}

ssize_t write(int fd, const void *data, size_t size) {
    if (takes_no_write(fd)) return -1;
    pthread_mutex_lock(&lock);
    off_t offset = lseek(fd, 0, SEEK_CUR);
    return written(fd, data, REAL(write)(fd, data, size), offset);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
    if (takes_no_write(fd)) return -1;
    pthread_mutex_lock(&lock);
    return written(fd, data, REAL(pwrite)(fd, data, size, offset), offset);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) {
    return pwrite(fd, data, size, offset);
}

int ftruncate(int fd, off_t size) {
    if (is_read_only(fd)) return -1;
    pthread_mutex_lock(&lock);
    int outcome = REAL(ftruncate)(fd, size);
    if (outcome == 0) note('t', fd, "", 0, size);
    pthread_mutex_unlock(&lock);
    return outcome;
}

int ftruncate64(int fd, off64_t size) { return ftruncate(fd, size); }

static int synced(int fd, int outcome) {
    if (outcome == 0) note_sync(fd);
    pthread_mutex_unlock(&lock);
    return outcome;
}

int fsync(int fd) {
    if (is_broken(fd)) return -1;
    pthread_mutex_lock(&lock);
    return synced(fd, REAL(fsync)(fd));
}

int fdatasync(int fd) {
    if (is_broken(fd)) return -1;
    pthread_mutex_lock(&lock);
    return synced(fd, REAL(fdatasync)(fd));
}

#define OPENED(name)                                                    \
    int name(const char *path, int flags, ...) {                        \
        va_list more;                                                   \
        va_start(more, flags);                                          \
        mode_t mode = va_arg(more, mode_t);                             \
        va_end(more);                                                   \
        return is_shut_for(path, flags) ? -1 : REAL(name)(path, flags, mode); \
    }
OPENED(open)
OPENED(open64)

int rename(const char *from, const char *to) { return is_shut(to) ? -1 : REAL(rename)(from, to); }
int mkdir(const char *path, mode_t mode) { return is_shut(path) ? -1 : REAL(mkdir)(path, mode); }

int unlink(const char *path) {
    if (is_shut(path)) return -1;
    pthread_mutex_lock(&lock);
    int outcome = REAL(unlink)(path);
    if (outcome == 0) note_path('u', path, "", 0, 0);
    pthread_mutex_unlock(&lock);
    return outcome;
}
