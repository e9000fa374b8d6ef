/* A disk that fails on demand and remembers what it was told; preloaded into the server (see disk.rs).
 *
 * In the directory DISK_FAULTS, a file `full` makes every write fail with ENOSPC; with EIO fail: for a file `broken` every fsync,
 * for `unwritable` every write. The file DISK_JOURNAL, if named, gets every write, truncation, sync and removal of the database's files, in order: a kind, the lengths of path
 * and data and an offset (8 bytes each, of this machine), the path, the data. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int fails(int fd, const char *fault, int error) {
    const char *directory = getenv("DISK_FAULTS");
    struct stat file;
    char path[4096];
    if (!directory || fstat(fd, &file) != 0 || !(S_ISREG(file.st_mode) || S_ISDIR(file.st_mode))) return 0;
    snprintf(path, sizeof path, "%s/%s", directory, fault);
    if (access(path, F_OK) != 0) return 0;
    errno = error;
    return 1;
}

static int takes_no_write(int fd) { return fails(fd, "full", ENOSPC) || fails(fd, "unwritable", EIO); }
static int is_broken(int fd) { return fails(fd, "broken", EIO); }

static void note_path(char kind, const char *path, const void *data, size_t length, off_t offset) {
    const char *journal = getenv("DISK_JOURNAL");
    static int out = -1;
    const char *name = strstr(path, "pds.sqlite");
    if (!journal || !name || strcmp(name, "pds.sqlite-shm") == 0) return;
    if (out < 0) out = open(journal, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    unsigned long long head[4] = {(unsigned long long)kind, strlen(path), length, (unsigned long long)offset};
    struct iovec parts[3] = {{head, sizeof head}, {(void *)path, strlen(path)}, {(void *)data, length}};
    if (writev(out, parts, 3) < 0) abort();
}

static void note(char kind, int fd, const void *data, size_t length, off_t offset) {
    char link[64], path[4096];
    if (!getenv("DISK_JOURNAL")) return;
    int before = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size > 0) {
        path[size] = 0;
        note_path(kind, path, data, length, offset);
    }
    errno = before;
}

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

static int noted(char kind, int fd, int outcome, off_t offset) {
    if (outcome == 0) note(kind, fd, "", 0, offset);
    pthread_mutex_unlock(&lock);
    return outcome;
}

int ftruncate(int fd, off_t size) {
    pthread_mutex_lock(&lock);
    return noted('t', fd, REAL(ftruncate)(fd, size), size);
}

int ftruncate64(int fd, off64_t size) { return ftruncate(fd, size); }

int fsync(int fd) {
    if (is_broken(fd)) return -1;
    pthread_mutex_lock(&lock);
    return noted('s', fd, REAL(fsync)(fd), 0);
}

int fdatasync(int fd) {
    if (is_broken(fd)) return -1;
    pthread_mutex_lock(&lock);
    return noted('s', fd, REAL(fdatasync)(fd), 0);
}

int unlink(const char *path) {
    pthread_mutex_lock(&lock);
    int outcome = REAL(unlink)(path);
    if (outcome == 0) note_path('u', path, "", 0, 0);
    pthread_mutex_unlock(&lock);
    return outcome;
}
