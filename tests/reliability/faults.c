/* Every write that another process, or the next one, could see below one directory: counted, and at the
   n-th the process is killed, or the call fails.

   A seccomp filter traps the system calls themselves, so that nothing goes around it: not SQLite, not
   polars or safetensors (Rust), not faiss (stdio inside the C library), no statically linked code. The
   handler of the trap looks up which path a call is about, and makes the call itself. The filter knows
   the handler's own calls by the address that they come from. It lasts as long as the process, and
   is meant for a forked child. A writable shared mapping would be a write that no call shows; those are
   counted apart, and there must be none. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

#define OPERATIONS 8192
#define PATH_LENGTH 248

struct journal { /* shared with whoever armed the faults; outlives the process */
    uint64_t count, around, fired;
    struct { uint64_t call; char path[PATH_LENGTH]; } operations[OPERATIONS];
};

enum action { COUNT, KILL, TEAR, FAIL, FAIL_FROM_HERE };

static struct journal *journal;
static char root[4096];
static size_t root_length;
static uint64_t moment;
static int action, value; /* value: a signal's number, or an errno */

/* ---- the handler's own system calls ---- */

long raw(long number, const long arguments[6]);
extern char raw_returns[];

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#define NUMBER(context) ((context)->uc_mcontext.gregs[REG_RAX])
#define RESULT(context) ((context)->uc_mcontext.gregs[REG_RAX])
static void arguments_of(const ucontext_t *context, long arguments[6]) {
    static const int registers[] = {REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8, REG_R9};
    for (int n = 0; n < 6; n++) arguments[n] = context->uc_mcontext.gregs[registers[n]];
}
__asm__(".text\n.globl raw\n.globl raw_returns\n.type raw,@function\n"
        "raw:\n mov %rdi,%rax\n mov %rsi,%r11\n mov 0(%r11),%rdi\n mov 8(%r11),%rsi\n mov 16(%r11),%rdx\n"
        " mov 24(%r11),%r10\n mov 32(%r11),%r8\n mov 40(%r11),%r9\n syscall\nraw_returns:\n ret\n");
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#define NUMBER(context) ((context)->uc_mcontext.regs[8])
#define RESULT(context) ((context)->uc_mcontext.regs[0])
static void arguments_of(const ucontext_t *context, long arguments[6]) {
    for (int n = 0; n < 6; n++) arguments[n] = context->uc_mcontext.regs[n];
}
__asm__(".text\n.globl raw\n.globl raw_returns\n.type raw,%function\n"
        "raw:\n mov x8,x0\n mov x9,x1\n ldp x0,x1,[x9]\n ldp x2,x3,[x9,16]\n ldp x4,x5,[x9,32]\n svc 0\n"
        "raw_returns:\n ret\n");
#else
#error "known on x86-64 and aarch64 only"
#endif

#define RAW(number, ...) raw(number, (const long[6]){__VA_ARGS__})

/* ---- which path a call is about ---- */

static void append(char *text, size_t size, const char *more) {
    size_t used = strlen(text);
    while (used + 1 < size && *more) text[used++] = *more++;
    text[used] = 0;
}

static void link_of(const char *link, char *path, size_t size) {
    long length = RAW(SYS_readlinkat, AT_FDCWD, (long)link, (long)path, (long)size - 1);
    path[length > 0 ? length : 0] = 0;
}

static void path_of(long descriptor, char *path, size_t size) {
    char link[64];
    if ((int)descriptor == AT_FDCWD) { link_of("/proc/self/cwd", path, size); return; }
    snprintf(link, sizeof link, "/proc/self/fd/%d", (int)descriptor);
    link_of(link, path, size);
}

static void path_at(long directory, const char *name, char *path, size_t size) {
    path[0] = 0;
    if (name[0] != '/') {
        path_of(directory, path, size);
        append(path, size, "/");
    }
    append(path, size, name);
}

static int is_below(const char *path) {
    return strncmp(path, root, root_length) == 0 && (path[root_length] == '/' || path[root_length] == 0);
}

static int exists(const char *path) { return RAW(SYS_faccessat, AT_FDCWD, (long)path, F_OK) == 0; }

static int opens_for_change(const char *path, long flags) {
    return (flags & O_TRUNC) || (flags & O_TMPFILE) == O_TMPFILE || ((flags & O_CREAT) && !exists(path));
}

/* Whether the call would change something below the root; `path` says what. */
static int changes(long call, const long a[6], char *path, size_t size) {
    switch (call) {
#ifdef SYS_open
    case SYS_open:
        path_at(AT_FDCWD, (char *)a[0], path, size);
        return is_below(path) && opens_for_change(path, a[1]);
    case SYS_creat: case SYS_rename: case SYS_unlink: case SYS_rmdir: case SYS_mkdir: case SYS_chmod:
        path_at(AT_FDCWD, (char *)a[0], path, size);
        if (is_below(path)) return call == SYS_creat || exists(path) == (call != SYS_mkdir);
        if (call != SYS_rename) return 0;
        path_at(AT_FDCWD, (char *)a[1], path, size);
        return is_below(path);
    case SYS_link: case SYS_symlink:
        path_at(AT_FDCWD, (char *)a[1], path, size);
        return is_below(path);
#endif
    case SYS_openat:
        path_at(a[0], (char *)a[1], path, size);
        return is_below(path) && opens_for_change(path, a[2]);
    case SYS_openat2:
        path_at(a[0], (char *)a[1], path, size);
        return is_below(path) && opens_for_change(path, (long)*(uint64_t *)a[2]);
    case SYS_unlinkat: case SYS_mkdirat: case SYS_fchmodat:
        path_at(a[0], (char *)a[1], path, size);
        return is_below(path) && exists(path) == (call != SYS_mkdirat);
    case SYS_utimensat:
        if (a[1]) path_at(a[0], (char *)a[1], path, size); else path_of(a[0], path, size);
        return is_below(path) && exists(path);
#ifdef SYS_renameat
    case SYS_renameat:
#endif
    case SYS_renameat2:
        path_at(a[0], (char *)a[1], path, size);
        if (is_below(path)) return 1;
        path_at(a[2], (char *)a[3], path, size);
        return is_below(path);
    case SYS_linkat:
        path_at(a[2], (char *)a[3], path, size);
        return is_below(path);
    case SYS_symlinkat:
        path_at(a[1], (char *)a[2], path, size);
        return is_below(path);
    case SYS_truncate:
        path_at(AT_FDCWD, (char *)a[0], path, size);
        return is_below(path);
    case SYS_copy_file_range:
        path_of(a[2], path, size);
        return is_below(path);
    default: /* write, pwrite64, writev, pwritev, pwritev2, sendfile, ftruncate, fallocate, fsync, ... */
        path_of(a[0], path, size);
        return is_below(path);
    }
}

/* ---- what is done to it ---- */

static void die(void) {
    for (;;) {
        RAW(SYS_kill, RAW(SYS_getpid, 0), value);
        RAW(SYS_sched_yield, 0);
        if (value != SIGKILL && value != SIGTERM) return;
    }
}

static void tear(long call, const long a[6]) {
    if (call == SYS_write || call == SYS_pwrite64) {
        const long half[6] = {a[0], a[1], a[2] / 2, a[3]};
        raw(call, half);
    } else if (call == SYS_writev) {
        const struct iovec *first = (struct iovec *)a[1];
        RAW(SYS_write, a[0], (long)first->iov_base, (long)(first->iov_len / 2));
    }
}

/* A full disk still lets go of files; a directory that refuses does not refuse an open descriptor. */
static int is_refused(long call) {
    switch (call) {
#ifdef SYS_open
    case SYS_unlink: case SYS_rmdir: case SYS_chmod:
        return value != ENOSPC;
    case SYS_open: case SYS_creat: case SYS_rename: case SYS_mkdir: case SYS_link: case SYS_symlink:
        return 1;
#endif
    case SYS_unlinkat: case SYS_fchmodat: case SYS_utimensat:
        return value != ENOSPC;
    case SYS_openat: case SYS_openat2: case SYS_renameat2: case SYS_mkdirat: case SYS_linkat: case SYS_symlinkat:
        return 1;
    case SYS_fsync: case SYS_fdatasync:
        return value == EIO;
    default:
        return value != EACCES;
    }
}

static long handle(long call, const long a[6]) {
    char path[4096];
    if (call == SYS_mmap) {
        path_of(a[4], path, sizeof path);
        if ((int)a[4] >= 0 && is_below(path)) __atomic_add_fetch(&journal->around, 1, __ATOMIC_SEQ_CST);
        return raw(call, a);
    }
    if (!changes(call, a, path, sizeof path)) return raw(call, a);
    uint64_t number = __atomic_add_fetch(&journal->count, 1, __ATOMIC_SEQ_CST);
    if (number <= OPERATIONS) {
        journal->operations[number - 1].call = (uint64_t)call;
        append(journal->operations[number - 1].path, PATH_LENGTH, path + root_length);
    }
    if (action == COUNT || number < moment || (number > moment && action != FAIL_FROM_HERE)) return raw(call, a);
    if (action == KILL || action == TEAR) {
        journal->fired++;
        if (action == TEAR) tear(call, a);
        die();
        return raw(call, a);
    }
    if (action == FAIL_FROM_HERE && !is_refused(call)) return raw(call, a);
    journal->fired++;
    return -value;
}

static void on_trap(int signal, siginfo_t *information, void *context) {
    (void)signal, (void)information;
    int before = errno;
    long arguments[6];
    arguments_of(context, arguments);
    RESULT((ucontext_t *)context) = handle((long)NUMBER((ucontext_t *)context), arguments);
    errno = before;
}

/* ---- the filter ---- */

static const int trapped[] = {
#ifdef SYS_open
    SYS_open, SYS_creat, SYS_rename, SYS_unlink, SYS_rmdir, SYS_mkdir, SYS_link, SYS_symlink, SYS_chmod,
#endif
#ifdef SYS_renameat
    SYS_renameat,
#endif
    SYS_openat, SYS_openat2, SYS_renameat2, SYS_unlinkat, SYS_mkdirat, SYS_linkat, SYS_symlinkat, SYS_fchmodat,
    SYS_fchmod, SYS_utimensat, SYS_truncate, SYS_ftruncate, SYS_fallocate, SYS_write, SYS_pwrite64, SYS_writev,
    SYS_pwritev, SYS_pwritev2, SYS_sendfile, SYS_copy_file_range, SYS_fsync, SYS_fdatasync, SYS_sync_file_range,
};
#define TRAPPED (sizeof trapped / sizeof *trapped)

static int install(void) {
    struct sock_filter program[2 * TRAPPED + 32];
    unsigned short n = 0;
    uint64_t own = (uint64_t)(uintptr_t)raw_returns;
#define STATEMENT(...) program[n++] = (struct sock_filter)BPF_STMT(__VA_ARGS__)
#define JUMP(...) program[n++] = (struct sock_filter)BPF_JUMP(__VA_ARGS__)
#define FIELD(name) (uint32_t)offsetof(struct seccomp_data, name)
    STATEMENT(BPF_LD | BPF_W | BPF_ABS, FIELD(arch));
    JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0);
    STATEMENT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    STATEMENT(BPF_LD | BPF_W | BPF_ABS, FIELD(instruction_pointer));
    JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)own, 0, 3);
    STATEMENT(BPF_LD | BPF_W | BPF_ABS, FIELD(instruction_pointer) + 4);
    JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(own >> 32), 0, 1);
    STATEMENT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    STATEMENT(BPF_LD | BPF_W | BPF_ABS, FIELD(nr));
    for (size_t each = 0; each < TRAPPED; each++) {
        JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)trapped[each], 0, 1);
        STATEMENT(BPF_RET | BPF_K, SECCOMP_RET_TRAP);
    }
    JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1);
    STATEMENT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS);
    JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 5);
    STATEMENT(BPF_LD | BPF_W | BPF_ABS, FIELD(args[2]));
    JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_WRITE, 0, 3);
    STATEMENT(BPF_LD | BPF_W | BPF_ABS, FIELD(args[3]));
    JUMP(BPF_JMP | BPF_JSET | BPF_K, MAP_SHARED, 0, 1);
    STATEMENT(BPF_RET | BPF_K, SECCOMP_RET_TRAP);
    STATEMENT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog filter = {n, program};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) return errno;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) ? errno : 0;
}

/* Arm this process, for good. `at` counts from 1. Returns 0 or an errno. */
int faults_arm(const char *directory, struct journal *shared, int what, uint64_t at, int with) {
    journal = shared;
    snprintf(root, sizeof root, "%s", directory);
    root_length = strlen(root);
    action = what, moment = at, value = with;
    struct sigaction trap = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigemptyset(&trap.sa_mask);
    if (sigaction(SIGSYS, &trap, NULL)) return errno;
    return install();
}

size_t faults_journal_size(void) { return sizeof(struct journal); }
