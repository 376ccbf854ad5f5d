/* Preloaded into a process that uses a store: counts what it does to files below one folder, and ends the process
 * at the call of a given number, as SIGKILL would, or as the machine losing power would.
 *
 *   WEFT_FAULT_FOLDER  which files count
 *   WEFT_FAULT_AT      the number of the call at which it ends; absent: only count
 *   WEFT_FAULT_MODE    kill: before the call.  torn: after half of a write.
 *                      power: before the call, and every write since the last fsync of its file is undone, and
 *                      every file whose folder was not synced since it was made is gone.
 *   WEFT_FAULT_COUNT   a file that gets the number of calls when the process ends by itself
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES 4096

struct undo {
    struct undo *next;
    ino_t file;
    off_t offset, length, size_before;
    int fd;
    char *bytes;
};

/* A file that was made, until its folder is synced. */
struct birth {
    struct birth *next;
    ino_t folder;
    char path[4096];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *folder, *mode, *count_file;
static long at = -1, count;
static struct undo *undos;
static struct birth *births;
static char is_ours[FILES];

static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*real_write)(int, const void *, size_t);
static int (*real_fsync)(int), (*real_fdatasync)(int), (*real_ftruncate)(int, off_t), (*real_close)(int);
static int (*real_rename)(const char *, const char *), (*real_unlink)(const char *);
static int (*real_mkdir)(const char *, mode_t), (*real_open)(const char *, int, ...);

static void report(void) {
    if (!count_file || !real_open) return;
    char text[32];
    int length = snprintf(text, sizeof text, "%ld", count);
    int fd = real_open(count_file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    real_write(fd, text, length);
    real_close(fd);
}

__attribute__((constructor)) static void begin(void) {
    folder = getenv("WEFT_FAULT_FOLDER");
    mode = getenv("WEFT_FAULT_MODE");
    count_file = getenv("WEFT_FAULT_COUNT");
    if (getenv("WEFT_FAULT_AT")) at = atol(getenv("WEFT_FAULT_AT"));
    if (!mode) mode = "kill";
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_write = dlsym(RTLD_NEXT, "write");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
    real_close = dlsym(RTLD_NEXT, "close");
    real_rename = dlsym(RTLD_NEXT, "rename");
    real_unlink = dlsym(RTLD_NEXT, "unlink");
    real_mkdir = dlsym(RTLD_NEXT, "mkdir");
    real_open = dlsym(RTLD_NEXT, "open64");
    if (folder) atexit(report);
}

static int counts(const char *path) { return folder && path && strncmp(path, folder, strlen(folder)) == 0; }
static int fd_counts(int fd) { return fd >= 0 && fd < FILES && is_ours[fd]; }

static void end(void) {
    if (strcmp(mode, "power") == 0) {
        for (struct undo *undo = undos; undo; undo = undo->next) {
            real_pwrite(undo->fd, undo->bytes, undo->length, undo->offset);
            real_ftruncate(undo->fd, undo->size_before);
        }
        for (struct birth *birth = births; birth; birth = birth->next) real_unlink(birth->path);
    }
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

/* One call more. */
static void step(void) {
    if (++count == at) end();
}

static ino_t inode(int fd, off_t *size) {
    struct stat about;
    if (fstat(fd, &about)) return 0;
    if (size) *size = about.st_size;
    return about.st_ino;
}

/* Remembers what a range holds before it is written or cut off. */
static void remember(int fd, off_t offset, off_t length) {
    struct undo *undo = calloc(1, sizeof *undo);
    undo->file = inode(fd, &undo->size_before);
    if (offset + length > undo->size_before)
        length = offset < undo->size_before ? undo->size_before - offset : 0;
    undo->offset = offset;
    undo->bytes = malloc(length + 1);
    undo->length = length ? pread(fd, undo->bytes, length, offset) : 0;
    if (undo->length < 0) undo->length = 0;
    /* A handle of our own: closing the original one syncs nothing. */
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    undo->fd = real_open(path, O_RDWR | O_CLOEXEC);
    undo->next = undos;
    undos = undo;
}

static void forget(int fd) {
    ino_t file = inode(fd, NULL);
    for (struct undo **link = &undos; *link;) {
        struct undo *undo = *link;
        if (undo->file == file) {
            *link = undo->next;
            real_close(undo->fd);
            free(undo->bytes);
            free(undo);
        } else
            link = &undo->next;
    }
}

/* Remembers that a file was made. */
static void bear(const char *path) {
    struct birth *birth = calloc(1, sizeof *birth);
    char folder_path[4096];
    struct stat about;
    snprintf(birth->path, sizeof birth->path, "%s", path);
    snprintf(folder_path, sizeof folder_path, "%s", path);
    char *end_of_folder = strrchr(folder_path, '/');
    if (end_of_folder) *end_of_folder = 0;
    if (!stat(folder_path, &about)) birth->folder = about.st_ino;
    birth->next = births;
    births = birth;
}

/* The names in a folder have reached the disk. */
static void keep_names(int fd) {
    ino_t folder = inode(fd, NULL);
    for (struct birth **link = &births; *link;) {
        struct birth *birth = *link;
        if (birth->folder == folder) {
            *link = birth->next;
            free(birth);
        } else
            link = &birth->next;
    }
}

static ssize_t put(int fd, const void *bytes, size_t length, off_t offset) {
    if (!fd_counts(fd)) return real_pwrite(fd, bytes, length, offset);
    pthread_mutex_lock(&lock);
    if (count + 1 == at && strcmp(mode, "torn") == 0) real_pwrite(fd, bytes, length / 2, offset);
    step();
    if (strcmp(mode, "power") == 0) remember(fd, offset, length);
    ssize_t done = real_pwrite(fd, bytes, length, offset);
    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t offset) { return put(fd, bytes, length, offset); }
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) { return put(fd, bytes, length, offset); }

ssize_t write(int fd, const void *bytes, size_t length) {
    if (!fd_counts(fd)) return real_write(fd, bytes, length);
    off_t offset = lseek(fd, 0, SEEK_CUR);
    ssize_t done = put(fd, bytes, length, offset);
    if (done > 0) lseek(fd, done, SEEK_CUR);
    return done;
}

static int sync_file(int fd, int (*real)(int)) {
    if (!fd_counts(fd)) return real(fd);
    pthread_mutex_lock(&lock);
    step();
    int done = real(fd);
    if (done == 0) {
        forget(fd);
        keep_names(fd);
    }
    pthread_mutex_unlock(&lock);
    return done;
}

int fsync(int fd) { return sync_file(fd, real_fsync); }
int fdatasync(int fd) { return sync_file(fd, real_fdatasync); }

static int cut(int fd, off_t length) {
    if (!fd_counts(fd)) return real_ftruncate(fd, length);
    pthread_mutex_lock(&lock);
    step();
    if (strcmp(mode, "power") == 0) {
        off_t size = 0;
        inode(fd, &size);
        remember(fd, length, size > length ? size - length : 0);
    }
    int done = real_ftruncate(fd, length);
    pthread_mutex_unlock(&lock);
    return done;
}

int ftruncate64(int fd, off_t length) { return cut(fd, length); }
int ftruncate(int fd, off_t length) { return cut(fd, length); }

#define STEP_FOR(path)                                                                                                 \
    if (counts(path)) {                                                                                                \
        pthread_mutex_lock(&lock);                                                                                     \
        step();                                                                                                        \
        pthread_mutex_unlock(&lock);                                                                                   \
    }

int rename(const char *from, const char *to) {
    STEP_FOR(to)
    return real_rename(from, to);
}

int unlink(const char *path) {
    STEP_FOR(path)
    return real_unlink(path);
}

int mkdir(const char *path, mode_t permissions) {
    STEP_FOR(path)
    return real_mkdir(path, permissions);
}

static int open_file(const char *path, int flags, mode_t permissions) {
    int is_made = counts(path) && (flags & O_CREAT) && access(path, F_OK);
    if (is_made) STEP_FOR(path)
    int fd = real_open(path, flags, permissions);
    /* What SQLite makes anew whenever it likes does not have to last. */
    if (is_made && fd >= 0 && !strstr(path, "-shm")) {
        pthread_mutex_lock(&lock);
        bear(path);
        pthread_mutex_unlock(&lock);
    }
    /* What readers share of the log holds nothing that has to last. */
    if (fd >= 0 && fd < FILES) is_ours[fd] = counts(path) && !strstr(path, "-shm");
    return fd;
}

#define OPEN(name)                                                                                                     \
    int name(const char *path, int flags, ...) {                                                                       \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode_t permissions = flags & O_CREAT ? va_arg(rest, mode_t) : 0;                                               \
        va_end(rest);                                                                                                  \
        return open_file(path, flags, permissions);                                                                    \
    }

OPEN(open)
OPEN(open64)

int close(int fd) {
    if (fd >= 0 && fd < FILES) is_ours[fd] = 0;
    return real_close(fd);
}
